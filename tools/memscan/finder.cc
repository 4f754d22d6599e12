#include "tools/memscan/finder.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace flattone::memscan {
namespace {

constexpr size_t kRunLimit = 48;  // digits read to each side of a finding
constexpr uint32_t kModulus = 10000000;

struct Lane {
  uint32_t value = 0;  // the last seven digits
  uint32_t run = 0;    // digits so far
};

// One lane for each stride and phase, for characters and for values.
struct Lanes {
  std::array<std::array<Lane, 16>, 2> lane{};  // phase p of stride s is s + p: 1; 2,3; 4-7; 8-15
  void Reset(size_t kind, size_t at) {
    for (size_t stride : {1, 2, 4, 8}) lane[kind][stride + at % stride].run = 0;
  }
};

int Digit(const uint8_t* at, size_t stride, bool text) {
  for (size_t i = 1; i < stride; ++i)
    if (at[i] != 0) return -1;
  const int value = text ? at[0] - '0' : at[0];
  return value >= 0 && value <= 9 ? value : -1;
}

const char* NameOf(size_t stride, bool text) {
  switch (stride) {
    case 1: return text ? "ascii" : "one value per byte";
    case 2: return text ? "utf-16" : "one value per 2 bytes";
    case 4: return text ? "one character per 4 bytes" : "one value per 4 bytes";
    default: return text ? "one character per 8 bytes" : "one value per 8 bytes";
  }
}

bool IsZero(const uint8_t* at, size_t count) {
  uint64_t any = 0, word;
  for (size_t i = 0; i < count; i += 8) {
    std::memcpy(&word, at + i, 8);
    any |= word;
  }
  return any == 0;
}

// The longest row of digits of `run` that is part of `typed`.
size_t LongestCommon(const std::string& run, const std::string& typed) {
  size_t best = 0;
  for (size_t i = 0; i < run.size(); ++i)
    for (size_t j = 0; j < typed.size(); ++j) {
      size_t length = 0;
      while (i + length < run.size() && j + length < typed.size() && run[i + length] == typed[j + length]) ++length;
      best = std::max(best, length);
    }
  return best;
}

void Add(Result& result, uint64_t offset, const char* encoding, int digits) {
  if (result.findings.size() >= Finder::kMaxFindings) return;
  for (auto it = result.findings.rbegin(); it != result.findings.rend() && it - result.findings.rbegin() < 32; ++it)
    if (it->offset == offset && it->encoding == encoding) return;
  result.findings.push_back({offset, encoding, digits});
}

}  // namespace

Finder::Finder(const Wanted& wanted)
    : canary_(wanted.canary), windows_(std::make_unique<std::bitset<10000000>>()), patterns_(PatternsOf(wanted)),
      by_pair_(65536) {
  const auto add = [this](const std::string& digits, bool weak_too) {
    for (size_t i = 0; i + kWindow <= digits.size(); ++i) {
      const std::string window = digits.substr(i, kWindow);
      if (weak_too || !IsWeak(window)) windows_->set(std::stoul(window));
    }
  };
  for (const Wanted::Card& card : wanted.cards) {
    typed_.push_back(card.Typed());
    add(card.Typed(), false);
  }
  if (!canary_.empty()) add(canary_.substr(canary_.size() - kWindow), true);
  for (uint32_t i = 0; i < patterns_.size(); ++i) {
    const std::string& bytes = patterns_[i].bytes;
    size_t anchor = 0;
    for (size_t at = 0; at + 1 < bytes.size(); ++at)
      if (bytes[at] != 0 && bytes[at + 1] != 0) anchor = at;
    anchor_.push_back(anchor);
    uint16_t pair;
    std::memcpy(&pair, bytes.data() + anchor, 2);
    by_pair_[pair].push_back(i);
    pairs_.set(pair);
  }
}

void Finder::Look(std::span<const uint8_t> bytes, uint64_t offset, Result& result) const {
  LookForDigits(bytes, offset, result);
  LookForPatterns(bytes, offset, result);
}

// A row of digits ends at `last` and holds a window: how much of it is a card's?
void Finder::Judge(std::span<const uint8_t> bytes, size_t last, size_t stride, bool text, uint64_t offset,
                   Result& result) const {
  size_t first = last;
  for (size_t n = 0; n < kRunLimit && first >= stride && Digit(bytes.data() + first - stride, stride, text) >= 0; ++n)
    first -= stride;
  std::string run;
  for (size_t at = first; at + stride <= bytes.size() && run.size() < 2 * kRunLimit; at += stride) {
    const int digit = Digit(bytes.data() + at, stride, text);
    if (digit < 0) break;
    run.push_back(static_cast<char>('0' + digit));
  }
  if (!canary_.empty() && run.find(canary_) != std::string::npos) result.canary = true;
  size_t begin = 0, end = run.size();
  if (!text) {  // zeros around values are memory, not digits
    while (begin < end && run[begin] == '0') ++begin;
    while (end > begin && run[end - 1] == '0') --end;
  }
  for (const std::string& typed : typed_) {
    const size_t common = LongestCommon(run, typed);
    if (common < kWindow) continue;
    if (common == kWindow && end - begin > kWindow) ++result.coincidences;
    else Add(result, offset + first, NameOf(stride, text), static_cast<int>(common));
  }
}

void Finder::LookForDigits(std::span<const uint8_t> bytes, uint64_t offset, Result& result) const {
  Lanes lanes;
  std::array<uint8_t, 16> tail;
  const size_t size = bytes.size();
  for (size_t i = 0; i < size; ++i) {
    if (i % 64 == 0 && i >= 64 && i + 64 <= size && IsZero(bytes.data() + i - 64, 128)) {
      i += 63;  // in the midst of zeros nothing changes
      continue;
    }
    const uint8_t byte = bytes[i];
    const bool text = byte >= '0' && byte <= '9';
    if (!text && byte > 9) {
      lanes.Reset(0, i);
      lanes.Reset(1, i);
      continue;
    }
    const uint8_t* at = bytes.data() + i;
    if (i + 8 > size) {  // what lies behind the end counts as no zero
      tail.fill(0xFF);
      std::memcpy(tail.data(), at, size - i);
      at = tail.data();
    }
    uint64_t word;
    std::memcpy(&word, at, 8);
    const size_t kind = text ? 0 : 1;
    lanes.Reset(1 - kind, i);
    for (size_t stride : {1, 2, 4, 8}) {
      Lane& lane = lanes.lane[kind][stride + i % stride];
      if (stride < 8 ? (word & ((1ull << 8 * stride) - 1)) != byte : word != byte) {
        lane.run = 0;
        continue;
      }
      lane.value = (lane.value * 10 + (text ? byte - '0' : byte)) % kModulus;
      if (++lane.run >= kWindow && windows_->test(lane.value)) Judge(bytes, i, stride, text, offset, result);
    }
  }
}

void Finder::LookForPatterns(std::span<const uint8_t> bytes, uint64_t offset, Result& result) const {
  if (patterns_.empty()) return;
  for (size_t i = 0; i + 1 < bytes.size(); ++i) {
    uint16_t pair;
    std::memcpy(&pair, bytes.data() + i, 2);
    if (!pairs_.test(pair)) continue;
    for (uint32_t candidate : by_pair_[pair]) {
      const Pattern& pattern = patterns_[candidate];
      const size_t anchor = anchor_[candidate];
      if (i < anchor || i - anchor + pattern.bytes.size() > bytes.size()) continue;
      if (std::memcmp(bytes.data() + i - anchor, pattern.bytes.data(), pattern.bytes.size()) == 0)
        Add(result, offset + i - anchor, pattern.encoding, pattern.digits);
    }
  }
}

}  // namespace flattone::memscan
