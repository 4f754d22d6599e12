#include "libs/base/random.h"

#include <sys/random.h>

#include <cerrno>

#include "libs/base/check.h"

namespace flattone {
namespace {

class KernelRandom final : public Random {
 public:
  void Fill(std::span<uint8_t> out) override {
    while (!out.empty()) {
      const ssize_t got = getrandom(out.data(), out.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      FT_CHECK(got > 0, "getrandom failed");
      out = out.subspan(static_cast<size_t>(got));
    }
  }
};

}  // namespace

uint64_t Random::Below(uint64_t bound) {
  // Rejection keeps every value equally likely.
  const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  for (;;) {
    uint64_t value = 0;
    Fill({reinterpret_cast<uint8_t*>(&value), sizeof value});
    if (value < limit) return value % bound;
  }
}

Random& SystemRandom() {
  static KernelRandom random;
  return random;
}

std::string RandomId(Random& random, std::string_view prefix) {
  static constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";  // Crockford's base 32
  uint8_t bytes[26];
  random.Fill(bytes);
  std::string id(prefix);
  id.reserve(prefix.size() + 1 + sizeof bytes);
  id.push_back('_');
  for (uint8_t byte : bytes) id.push_back(kAlphabet[byte & 31]);
  return id;
}

}  // namespace flattone
