#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <set>

#include "libs/base/error.h"
#include "libs/secret/arena.h"
#include "libs/secret/hardening.h"
#include "libs/secret/secret.h"
#include "libs/secret/wiping_allocator.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"

namespace flattone::secret {
namespace {

const ClearCardAccess kTest("a test looks at its own bytes");

bool AllZero(const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  for (size_t i = 0; i < size; ++i) {
    if (bytes[i] != 0) return false;
  }
  return true;
}

TEST_CASE("an arena hands out zeroed, aligned, distinct slots until it is full, and counts the refusal") {
  auto arena = Arena::Create(2 * Arena::kPage);
  REQUIRE(arena.ok());
  std::set<void*> slots;
  while (void* slot = (*arena)->Allocate(40)) {
    CHECK(reinterpret_cast<uintptr_t>(slot) % 32 == 0);
    CHECK(AllZero(slot, 64));
    std::memset(slot, 'x', 64);
    CHECK(slots.insert(slot).second);
  }
  CHECK(slots.size() == 2 * Arena::kPage / 64);
  CHECK((*arena)->usage().used_bytes == 2 * Arena::kPage);
  CHECK((*arena)->usage().refused == 1);
  CHECK((*arena)->Allocate(1) == nullptr);
  for (void* slot : slots) (*arena)->Free(slot, 40);
  CHECK((*arena)->usage().used_bytes == 0);
  void* large = (*arena)->Allocate(5000);
  REQUIRE(large != nullptr);
  CHECK(AllZero(large, 5000));
  CHECK((*arena)->Allocate(1) == nullptr);
  (*arena)->Free(large, 5000);
  CHECK((*arena)->Allocate(3 * Arena::kPage) == nullptr);
}

TEST_CASE("a slot is wiped when it comes back") {
  auto arena = Arena::Create(Arena::kPage);
  REQUIRE(arena.ok());
  auto* slot = static_cast<char*>((*arena)->Allocate(100));
  std::strcpy(slot, "digits");
  (*arena)->Free(slot, 100);
  CHECK(AllZero(slot, 100));
}

TEST_CASE("pages freed in any order serve every size again") {
  auto arena = Arena::Create(8 * Arena::kPage);
  REQUIRE(arena.ok());
  flattone::testing::SeededRandom random(7);
  std::vector<std::pair<void*, size_t>> held;
  for (int i = 0; i < 5000; ++i) {
    if (random.Below(2) == 0 || held.empty()) {
      const size_t size = 1 + random.Below(random.Below(10) == 0 ? 9000 : 600);
      if (void* slot = (*arena)->Allocate(size)) {
        REQUIRE(AllZero(slot, size));
        std::memset(slot, 0xff, size);
        held.emplace_back(slot, size);
      }
    } else {
      const size_t at = random.Below(held.size());
      (*arena)->Free(held[at].first, held[at].second);
      held.erase(held.begin() + static_cast<long>(at));
    }
  }
  for (auto& [slot, size] : held) (*arena)->Free(slot, size);
  CHECK((*arena)->usage().used_bytes == 0);
  CHECK((*arena)->Allocate(8 * Arena::kPage) != nullptr);
}

TEST_CASE("an arena is locked memory: the kernel counts it") {
  auto locked_kib = [] {
    FILE* file = std::fopen("/proc/self/status", "r");
    char line[256];
    long kib = -1;
    while (std::fgets(line, sizeof line, file) != nullptr) std::sscanf(line, "VmLck: %ld", &kib);
    std::fclose(file);
    return kib;
  };
  [[maybe_unused]] const long before = locked_kib();
  auto arena = Arena::Create(256 * 1024);
  REQUIRE(arena.ok());
#if !defined(__SANITIZE_ADDRESS__) && !defined(FLATTONE_SANITIZE_ADDRESS_UNDEFINED) && !defined(FLATTONE_SANITIZE_THREAD)
  CHECK(locked_kib() == before + 256);
#endif
}

#if !defined(FLATTONE_SANITIZE_ADDRESS_UNDEFINED) && !defined(FLATTONE_SANITIZE_THREAD)
TEST_CASE("memory that cannot be locked is refused, and the message says what to raise") {
  // In a child: a lowered limit cannot be raised again.
  const pid_t child = fork();
  if (child == 0) {
    const rlimit low{64 * 1024, 64 * 1024};
    setrlimit(RLIMIT_MEMLOCK, &low);
    const auto arena = Arena::Create(1 << 20);
    if (geteuid() == 0 && arena.ok()) _exit(77);  // CAP_IPC_LOCK: no limit applies
    if (arena.ok()) _exit(1);
    const std::string message(arena.status().message());
    const bool says = message.find("ulimit -l") != std::string::npos && message.find("65536") != std::string::npos;
    _exit(says && DetailOf(arena.status())->code == "memory_not_locked" ? 0 : 2);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK((WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77));
}
#endif

TEST_CASE("the process's arena cannot be resized once it is in use") {
  auto bytes = SecretBytes::Create(8);
  REQUIRE(bytes.ok());
  const auto status = Arena::Start(1 << 20);
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("secret bytes grow within their capacity only, and shrink by wiping") {
  auto bytes = SecretBytes::Create(4);
  REQUIRE(bytes.ok());
  CHECK(bytes->Append(std::string_view("123")));
  CHECK_FALSE(bytes->Append(std::string_view("45")));
  CHECK(bytes->RevealText(kTest) == "123");
  CHECK(bytes->Resize(1));
  CHECK(bytes->Resize(4));
  CHECK(bytes->RevealText(kTest) == std::string_view("1\0\0\0", 4));
  CHECK_FALSE(bytes->Resize(5));
  bytes->Wipe();
  CHECK(bytes->empty());
  CHECK(bytes->capacity() == 4);
}

TEST_CASE("a destroyed or moved-over secret leaves zeros behind") {
  const uint8_t* where = nullptr;
  {
    auto bytes = SecretBytes::CopyOf(std::string_view("a key that must go"));
    REQUIRE(bytes.ok());
    where = bytes->Reveal(kTest).data();
    SecretBytes moved = std::move(*bytes);
    CHECK(moved.Reveal(kTest).data() == where);
    CHECK(bytes->empty());
  }
  CHECK(AllZero(where, 18));
}

TEST_CASE("a secret value wipes, clones and compares in constant time by name") {
  struct Pair {
    uint8_t size = 3;
    char text[7] = {};
  };
  auto a = Secret<Pair>::Create();
  REQUIRE(a.ok());
  CHECK(a->Reveal(kTest).size == 3);
  std::strcpy(a->Update(kTest).text, "secret");
  auto b = a->Clone();
  REQUIRE(b.ok());
  CHECK(ConstantTimeEquals(*a, *b));
  b->Update(kTest).text[0] = 'S';
  CHECK_FALSE(ConstantTimeEquals(*a, *b));
  a->Wipe();
  CHECK(AllZero(&a->Reveal(kTest), sizeof(Pair)));
}

TEST_CASE("constant-time equality sees one differing bit and different lengths") {
  const uint8_t a[] = {1, 2, 3}, b[] = {1, 2, 7};
  CHECK(ConstantTimeEquals(std::span<const uint8_t>(a), std::span<const uint8_t>(a)));
  CHECK_FALSE(ConstantTimeEquals(std::span<const uint8_t>(a), std::span<const uint8_t>(b)));
  CHECK_FALSE(ConstantTimeEquals(std::span<const uint8_t>(a), std::span<const uint8_t>(b, 2)));
}

// How many bytes of `pattern` a just-freed block of `size` still holds, read as a debugger would.
int LeftAfterFree(size_t size, bool grow) {
  auto* volatile block = static_cast<char*>(std::malloc(size));
  std::memset(block, '7', size);
  const auto address = reinterpret_cast<uintptr_t>(block);
  void* volatile barrier = std::malloc(16);
  std::vector<char> seen(size);
  FILE* memory = std::fopen("/proc/self/mem", "rb");
  std::setvbuf(memory, nullptr, _IONBF, 0);
  void* volatile grown = nullptr;
  if (grow) {
    grown = std::realloc(block, size * 4);
  } else {
    std::free(block);
  }
  std::fseek(memory, static_cast<long>(address), SEEK_SET);
  const size_t got = std::fread(seen.data(), 1, size, memory);
  std::fclose(memory);
  std::free(barrier);
  std::free(grown);
  int left = 0;
  for (size_t i = 0; i < got; ++i) left += seen[i] == '7';
  return left;
}

TEST_CASE("a freed heap block keeps nothing of what it held, small ones in the thread cache included") {
  if (!WipesFreedHeap()) return;
  for (size_t size : {24u, 100u, 400u, 1000u, 1500u, 40000u, 400000u}) {
    CAPTURE(size);
    // The allocator's own links in a freed block are addresses: a stray byte of theirs may be a '7'.
    CHECK(LeftAfterFree(size, false) <= 3);
    CHECK(LeftAfterFree(size, true) <= 3);
  }
}

TEST_CASE("realloc keeps the content while it shrinks and grows") {
  auto* block = static_cast<char*>(std::malloc(64));
  std::strcpy(block, "kept");
  for (size_t size : {10u, 1000u, 100000u, 900u, 40u}) {
    block = static_cast<char*>(std::realloc(block, size));
    REQUIRE(std::string(block) == "kept");
  }
  std::free(block);
}

TEST_CASE("a hardened process cannot dump core") {
  const pid_t child = fork();
  if (child == 0) {
    const bool ok = HardenCardZone().ok();
    rlimit limit{1, 1};
    getrlimit(RLIMIT_CORE, &limit);
    _exit(ok && limit.rlim_cur == 0 && limit.rlim_max == 0 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("the wiping allocator serves vectors") {
  WipedBytes bytes;
  for (int i = 0; i < 1000; ++i) bytes.push_back(static_cast<uint8_t>(i));
  CHECK(bytes[999] == static_cast<uint8_t>(999));
}

}  // namespace
}  // namespace flattone::secret
