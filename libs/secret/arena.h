// One piece of locked memory per process, cut into slots; every Secret lives in it.
//
// Locked: never swapped, never in a core dump, zero in a forked child, with unreadable pages on both
// sides. A slot is zero when it is handed out and is wiped when it comes back. One arena rather than a
// page per secret, because the lock limit (RLIMIT_MEMLOCK) counts pages and is often 8 MiB.
//
// A service calls Start() first thing in main(); a program that does not (a test, a tool) gets
// kDefaultBytes on first use. All methods may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace flattone::secret {

class Arena {
 public:
  static constexpr size_t kDefaultBytes = 1 << 20;
  static constexpr size_t kPage = 4096;
  static constexpr size_t kSmallest = 32;

  // Makes the process's arena with `bytes` rounded up to pages. FAILED_PRECONDITION when the memory cannot
  // be locked (the message says what to raise) or when a secret was made before; nothing falls back to
  // unlocked memory.
  static absl::Status Start(size_t bytes);
  // The process's arena; makes it on first use, and dies when that cannot be locked.
  static Arena& Process();

  // For tests: an arena of one's own.
  static absl::StatusOr<std::unique_ptr<Arena>> Create(size_t bytes);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // A zeroed slot of at least `bytes` (1 to capacity), aligned to 32; nullptr when the arena is full.
  void* Allocate(size_t bytes);
  // Wipes and takes back what Allocate(bytes) gave.
  void Free(void* slot, size_t bytes);

  struct Usage {
    size_t capacity_bytes = 0;
    size_t used_bytes = 0;  // slots handed out, in their full size
    uint64_t refused = 0;   // allocations that found the arena full
  };
  Usage usage() const;

 private:
  struct PageState {
    uint32_t slot_bytes = 0;  // 0 free; up to kPage the class of its slots; more: part of a large run
    uint32_t used_slots = 0;
    uint64_t bitmap[2] = {0, 0};  // kPage / kSmallest = 128 slots at most
  };

  Arena(uint8_t* mapping, size_t mapped, size_t bytes);
  void* AllocateSmall(size_t slot_bytes);
  size_t& HintOf(size_t slot_bytes);
  void* AllocateRun(size_t pages);
  uint8_t* PageAt(size_t index) const { return base_ + index * kPage; }

  uint8_t* mapping_;
  size_t mapped_;
  uint8_t* base_;
  size_t bytes_;
  mutable std::mutex mutex_;
  std::vector<PageState> pages_;
  size_t hints_[8] = {};  // per class: no page before this one has a free slot of it, nor is free
  size_t used_ = 0;
  uint64_t refused_ = 0;
};

// Overwrites with zeros in a way that no optimiser removes.
void Wipe(void* data, size_t size);

}  // namespace flattone::secret
