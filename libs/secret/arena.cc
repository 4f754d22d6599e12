#include "libs/secret/arena.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/error.h"

namespace flattone::secret {
namespace {

size_t RoundUp(size_t value, size_t to) { return (value + to - 1) / to * to; }

// The slot size for a request: a power of two up to a page, whole pages above.
size_t SlotSize(size_t bytes) {
  if (bytes > Arena::kPage) return RoundUp(bytes, Arena::kPage);
  size_t size = Arena::kSmallest;
  while (size < bytes) size *= 2;
  return size;
}

absl::Status CannotLock(size_t bytes, int error) {
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  return Refusal(absl::StatusCode::kFailedPrecondition,
                 {.code = "memory_not_locked",
                  .field = "secret_arena_bytes",
                  .limit = absl::StrCat("RLIMIT_MEMLOCK is ", limit.rlim_cur, " bytes"),
                  .fix = "raise it (ulimit -l, LimitMEMLOCK= of systemd, or CAP_IPC_LOCK), or configure a smaller arena"},
                 absl::StrCat("cannot lock ", bytes, " bytes for secrets: ", strerror(error), "; RLIMIT_MEMLOCK is ",
                              limit.rlim_cur, " bytes: raise it (ulimit -l, LimitMEMLOCK= of systemd, or "
                              "CAP_IPC_LOCK), or configure a smaller arena"));
}

std::mutex& ProcessMutex() {
  static std::mutex mutex;
  return mutex;
}
std::atomic<Arena*> g_process{nullptr};

}  // namespace

void Wipe(void* data, size_t size) {
  if (size > 0) explicit_bzero(data, size);
}

absl::StatusOr<std::unique_ptr<Arena>> Arena::Create(size_t bytes) {
  if (bytes == 0 || bytes > (size_t{1} << 34)) return InvalidField("secret_arena_bytes", absl::StrCat("is ", bytes), "from 1 to 2^34");
  bytes = RoundUp(bytes, kPage);
  const size_t mapped = bytes + 2 * kPage;
  void* mapping = mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return CannotLock(bytes, errno);
  uint8_t* base = static_cast<uint8_t*>(mapping) + kPage;
  if (mprotect(base, bytes, PROT_READ | PROT_WRITE) != 0 || mlock(base, bytes) != 0) {
    const int error = errno;
    munmap(mapping, mapped);
    return CannotLock(bytes, error);
  }
  madvise(base, bytes, MADV_DONTDUMP);
  madvise(base, bytes, MADV_WIPEONFORK);
  return std::unique_ptr<Arena>(new Arena(static_cast<uint8_t*>(mapping), mapped, bytes));
}

Arena::Arena(uint8_t* mapping, size_t mapped, size_t bytes)
    : mapping_(mapping), mapped_(mapped), base_(mapping + kPage), bytes_(bytes), pages_(bytes / kPage) {}

Arena::~Arena() {
  Wipe(base_, bytes_);
  munlock(base_, bytes_);
  munmap(mapping_, mapped_);
}

absl::Status Arena::Start(size_t bytes) {
  std::lock_guard<std::mutex> lock(ProcessMutex());
  if (g_process.load() != nullptr) {
    return Refusal(absl::StatusCode::kFailedPrecondition, {.code = "arena_already_started"},
                   "the arena of secrets was already in use when its size was set");
  }
  auto arena = Create(bytes);
  if (!arena.ok()) return arena.status();
  g_process.store(arena->release());
  return absl::OkStatus();
}

Arena& Arena::Process() {
  if (Arena* arena = g_process.load(std::memory_order_acquire)) return *arena;
  std::lock_guard<std::mutex> lock(ProcessMutex());
  if (Arena* arena = g_process.load()) return *arena;
  auto arena = Create(kDefaultBytes);
  FT_CHECK(arena.ok(), "cannot lock memory for secrets: raise RLIMIT_MEMLOCK (ulimit -l)");
  g_process.store(arena->release());  // lives as long as the process: secrets may be static
  return *g_process.load();
}

void* Arena::Allocate(size_t bytes) {
  if (bytes == 0) bytes = 1;
  const size_t slot = SlotSize(bytes);
  std::lock_guard<std::mutex> lock(mutex_);
  void* memory = slot > bytes_ ? nullptr : slot <= kPage ? AllocateSmall(slot) : AllocateRun(slot / kPage);
  if (memory == nullptr) {
    ++refused_;
    return nullptr;
  }
  used_ += slot;
  return memory;
}

size_t& Arena::HintOf(size_t slot_bytes) {
  size_t index = 0;
  while ((kSmallest << index) < slot_bytes) ++index;
  return hints_[index];
}

void* Arena::AllocateSmall(size_t slot_bytes) {
  const size_t slots = kPage / slot_bytes;
  size_t& hint = HintOf(slot_bytes);
  size_t at = hint;
  while (at < pages_.size() && pages_[at].slot_bytes != 0 &&
         (pages_[at].slot_bytes != slot_bytes || pages_[at].used_slots == slots)) {
    ++at;
  }
  hint = at;
  if (at == pages_.size()) return nullptr;
  PageState& page = pages_[at];
  page.slot_bytes = static_cast<uint32_t>(slot_bytes);
  for (size_t i = 0; i < slots; ++i) {
    uint64_t& word = page.bitmap[i / 64];
    const uint64_t bit = uint64_t{1} << (i % 64);
    if (word & bit) continue;
    word |= bit;
    ++page.used_slots;
    return PageAt(at) + i * slot_bytes;
  }
  return nullptr;
}

void* Arena::AllocateRun(size_t pages) {
  size_t run = 0;
  for (size_t i = 0; i < pages_.size(); ++i) {
    run = pages_[i].slot_bytes == 0 ? run + 1 : 0;
    if (run < pages) continue;
    const size_t first = i + 1 - pages;
    for (size_t k = first; k <= i; ++k) {
      pages_[k].slot_bytes = kPage + 1;
      pages_[k].used_slots = 1;
    }
    return PageAt(first);
  }
  return nullptr;
}

void Arena::Free(void* memory, size_t bytes) {
  if (memory == nullptr) return;
  const size_t slot = SlotSize(bytes == 0 ? 1 : bytes);
  Wipe(memory, slot);
  const size_t offset = static_cast<size_t>(static_cast<uint8_t*>(memory) - base_);
  std::lock_guard<std::mutex> lock(mutex_);
  used_ -= slot;
  const size_t at = offset / kPage;
  PageState& page = pages_[at];
  if (slot > kPage) {
    for (size_t k = 0; k < slot / kPage; ++k) pages_[at + k] = PageState{};
    for (size_t& hint : hints_) hint = std::min(hint, at);
    return;
  }
  const size_t index = offset % kPage / slot;
  page.bitmap[index / 64] &= ~(uint64_t{1} << (index % 64));
  size_t& hint = HintOf(slot);
  hint = std::min(hint, at);
  if (--page.used_slots > 0) return;
  page = PageState{};
  for (size_t& each : hints_) each = std::min(each, at);
}

Arena::Usage Arena::usage() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return {bytes_, used_, refused_};
}

}  // namespace flattone::secret
