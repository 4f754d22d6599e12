// The last second of a leg's sound, as codewords by RTP position, with what was never heard left open.
// Codewords, not samples: what passes leaves bit for bit as it came.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

namespace flattone::masking {

class SoundLine {
 public:
  static constexpr int64_t kSize = 8192;

  ~SoundLine();
  // Puts a packet's sound at its place; what is older than the line is ignored.
  void Write(int64_t position, std::span<const uint8_t> codewords);
  // Moves the newest end forward over sound that has not come (yet).
  void Advance(int64_t to);
  // nullptr when the sample was not heard, or has fallen off.
  const uint8_t* At(int64_t position) const {
    if (position >= front_ || position < front_ - kSize || !heard_[Slot(position)]) return nullptr;
    return &codewords_[Slot(position)];
  }
  // All of [position, position + samples), side by side; nullptr when one was not heard, or they lie around the ring's end.
  const uint8_t* Run(int64_t position, int samples) const {
    if (position + samples > front_ || position < front_ - kSize) return nullptr;
    const size_t slot = Slot(position), count = static_cast<size_t>(samples);
    if (slot + count > kSize || std::memchr(&heard_[slot], 0, count) != nullptr) return nullptr;
    return &codewords_[slot];
  }
  // One past the newest sample.
  int64_t front() const { return front_; }
  // Forgets all; the next sound may be anywhere. Overwrites.
  void Clear(int64_t front);

 private:
  static size_t Slot(int64_t position) { return static_cast<size_t>(position) & (kSize - 1); }
  std::array<uint8_t, kSize> codewords_{};
  std::array<bool, kSize> heard_{};
  int64_t front_ = 0;
};

}  // namespace flattone::masking
