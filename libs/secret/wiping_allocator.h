// A heap allocator that overwrites what it gives back, for buffers that may have held a digit in transit
// and are too large or too many for locked memory: HTTP bodies, packet pools.
//
//   WipedBytes buffer(2048);
//
// A std::string keeps short text inside itself, which no allocator sees: use WipedBytes, not a string.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "libs/secret/arena.h"

namespace flattone::secret {

template <typename T>
struct WipingAllocator {
  using value_type = T;
  WipingAllocator() = default;
  template <typename U>
  WipingAllocator(const WipingAllocator<U>&) noexcept {}
  T* allocate(size_t count) { return std::allocator<T>().allocate(count); }
  void deallocate(T* memory, size_t count) noexcept {
    Wipe(memory, count * sizeof(T));
    std::allocator<T>().deallocate(memory, count);
  }
  template <typename U>
  bool operator==(const WipingAllocator<U>&) const noexcept {
    return true;
  }
};

using WipedBytes = std::vector<uint8_t, WipingAllocator<uint8_t>>;
using WipedChars = std::vector<char, WipingAllocator<char>>;

}  // namespace flattone::secret
