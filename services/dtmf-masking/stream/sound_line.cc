#include "services/dtmf-masking/stream/sound_line.h"

#include <algorithm>
#include <cstring>

namespace flattone::masking {

SoundLine::~SoundLine() {
  codewords_.fill(0);
  asm volatile("" : : "r"(codewords_.data()) : "memory");  // a caller's tones must not stay in freed memory
}

void SoundLine::Advance(int64_t to) {
  for (int64_t p = std::max(front_, to - kSize); p < to; ++p) heard_[Slot(p)] = false;
  front_ = std::max(front_, to);
}

void SoundLine::Write(int64_t position, std::span<const uint8_t> codewords) {
  Advance(position + static_cast<int64_t>(codewords.size()));
  for (size_t i = 0; i < codewords.size(); ++i) {
    const int64_t p = position + static_cast<int64_t>(i);
    if (p < front_ - kSize || p < 0) continue;
    codewords_[Slot(p)] = codewords[i];
    heard_[Slot(p)] = true;
  }
}

void SoundLine::Clear(int64_t front) {
  codewords_.fill(0);
  heard_.fill(false);
  front_ = front;
}

}  // namespace flattone::masking
