#include "libs/dsp/g711.h"

#include <algorithm>
#include <array>
#include <bit>

namespace flattone::dsp {
namespace {

constexpr int kMuBias = 0x84;

constexpr int16_t ExpandMu(uint8_t codeword) {
  const int inverted = ~codeword & 0xff;
  const int exponent = (inverted >> 4) & 7;
  const int magnitude = ((((inverted & 0x0f) << 3) + kMuBias) << exponent) - kMuBias;
  return static_cast<int16_t>((inverted & 0x80) ? -magnitude : magnitude);
}

constexpr int16_t ExpandA(uint8_t codeword) {
  const int toggled = codeword ^ 0x55;
  const int exponent = (toggled >> 4) & 7;
  int magnitude = ((toggled & 0x0f) << 4) + 8;
  if (exponent > 0) magnitude = (magnitude + 0x100) << (exponent - 1);
  return static_cast<int16_t>((toggled & 0x80) ? magnitude : -magnitude);
}

template <int16_t (*Expand)(uint8_t)>
constexpr std::array<int16_t, 256> MakeTable() {
  std::array<int16_t, 256> table{};
  for (int i = 0; i < 256; ++i) table[i] = Expand(static_cast<uint8_t>(i));
  return table;
}
constexpr auto kMuTable = MakeTable<ExpandMu>();
constexpr auto kATable = MakeTable<ExpandA>();

uint8_t CompressMu(int sample) {
  const bool negative = sample < 0;
  const int magnitude = std::min(negative ? -sample : sample, 32635) + kMuBias;
  const int exponent = std::bit_width(static_cast<unsigned>(magnitude >> 7)) - 1;
  const int mantissa = (magnitude >> (exponent + 3)) & 0x0f;
  return static_cast<uint8_t>(~((negative ? 0x80 : 0) | (exponent << 4) | mantissa));
}

uint8_t CompressA(int sample) {
  const bool negative = sample < 0;
  const int magnitude = std::min(negative ? ~sample : sample, 32767);
  const int exponent = std::max(0, static_cast<int>(std::bit_width(static_cast<unsigned>(magnitude >> 8))));
  const int mantissa = (exponent == 0 ? magnitude >> 4 : magnitude >> (exponent + 3)) & 0x0f;
  return static_cast<uint8_t>(((negative ? 0 : 0x80) | (exponent << 4) | mantissa) ^ 0x55);
}

}  // namespace

int16_t Decode(Law law, uint8_t codeword) { return (law == Law::kMu ? kMuTable : kATable)[codeword]; }

uint8_t Encode(Law law, int16_t sample) { return law == Law::kMu ? CompressMu(sample) : CompressA(sample); }

void Decode(Law law, std::span<const uint8_t> in, std::span<int16_t> out) {
  const auto& table = law == Law::kMu ? kMuTable : kATable;
  for (size_t i = 0; i < in.size(); ++i) out[i] = table[in[i]];
}

void Encode(Law law, std::span<const int16_t> in, std::span<uint8_t> out) {
  for (size_t i = 0; i < in.size(); ++i) out[i] = Encode(law, in[i]);
}

}  // namespace flattone::dsp
