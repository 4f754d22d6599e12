#include "tools/callbox/g711.h"

#include <algorithm>
#include <array>

namespace flattone::call {
namespace {

int16_t DecodeUlaw(uint8_t code) {
  code = static_cast<uint8_t>(~code);
  const int magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84;
  return static_cast<int16_t>((code & 0x80) ? -magnitude : magnitude);
}

int16_t DecodeAlaw(uint8_t code) {
  code ^= 0x55;
  const int segment = (code & 0x70) >> 4;
  int magnitude = (code & 0x0F) << 4;
  magnitude += segment == 0 ? 8 : 0x108;
  if (segment > 1) magnitude <<= segment - 1;
  return static_cast<int16_t>((code & 0x80) ? magnitude : -magnitude);
}

int Segment(int magnitude, int first) {  // which power of two holds it
  int segment = 0;
  for (int limit = first; segment < 7 && magnitude > limit; limit = limit * 2 + 1) ++segment;
  return segment;
}

uint8_t EncodeUlaw(int16_t sample) {
  const int sign = sample < 0 ? 0x80 : 0;
  const int magnitude = std::min(std::abs(static_cast<int>(sample)), 32635) + 0x84;
  const int segment = Segment(magnitude, 0xFF);
  return static_cast<uint8_t>(~(sign | segment << 4 | ((magnitude >> (segment + 3)) & 0x0F)));
}

uint8_t EncodeAlaw(int16_t sample) {
  const int sign = sample >= 0 ? 0x80 : 0;
  const int magnitude = sample >= 0 ? sample : -static_cast<int>(sample) - 1;
  const int segment = Segment(magnitude, 0xFF);
  const int step = segment == 0 ? 4 : segment + 3;
  return static_cast<uint8_t>((sign | segment << 4 | ((magnitude >> step) & 0x0F)) ^ 0x55);
}

template <typename Function>
std::array<int16_t, 256> Table(Function decode) {
  std::array<int16_t, 256> table{};
  for (int i = 0; i < 256; ++i) table[i] = decode(static_cast<uint8_t>(i));
  return table;
}

}  // namespace

uint8_t Encode(Codec codec, int16_t sample) { return codec == Codec::kPcma ? EncodeAlaw(sample) : EncodeUlaw(sample); }

int16_t Decode(Codec codec, uint8_t code) {
  static const std::array<int16_t, 256> ulaw = Table(DecodeUlaw), alaw = Table(DecodeAlaw);
  return codec == Codec::kPcma ? alaw[code] : ulaw[code];
}

}  // namespace flattone::call
