// A bounded queue from one producer thread to one consumer thread, without locks or allocation.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

namespace flattone {

template <typename T>
class SpscRing {
 public:
  // Holds at least `capacity` items (rounded up to a power of two).
  explicit SpscRing(size_t capacity) {
    size_t size = 2;
    while (size < capacity) size *= 2;
    slots_.resize(size);
  }

  // Producer only. A slot to fill, or nullptr when full (the producer counts the loss); Publish() hands it over.
  T* Claim() {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head - cached_tail_ == slots_.size()) {
      cached_tail_ = tail_.load(std::memory_order_acquire);
      if (head - cached_tail_ == slots_.size()) return nullptr;
    }
    return &slots_[head & (slots_.size() - 1)];
  }
  void Publish() { head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  // Consumer only. The oldest item, or nullptr when empty; Release() gives its slot back.
  T* Front() {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail == cached_head_) {
      cached_head_ = head_.load(std::memory_order_acquire);
      if (tail == cached_head_) return nullptr;
    }
    return &slots_[tail & (slots_.size() - 1)];
  }
  void Release() { tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

 private:
  std::vector<T> slots_;
  alignas(64) std::atomic<size_t> head_{0};
  size_t cached_tail_ = 0;
  alignas(64) std::atomic<size_t> tail_{0};
  size_t cached_head_ = 0;
};

}  // namespace flattone
