// ITU-T G.711: the two telephone codecs, one octet per sample at 8,000 samples a second.
//
// Encode(Decode(c)) == c for every codeword except µ-law 0x7f (minus zero), which shares the value 0
// with 0xff. Who must hand a sample on unchanged therefore keeps its codeword (the masker does).
// All functions are pure and may be called from any thread.
#pragma once

#include <cstdint>
#include <span>

namespace flattone::dsp {

enum class Law : uint8_t { kMu, kA };

// 16-bit linear value of a codeword: ±32,124 at most for µ-law, ±32,256 for A-law.
int16_t Decode(Law law, uint8_t codeword);
// The nearest codeword.
uint8_t Encode(Law law, int16_t sample);

// Whole blocks; `out` must be at least as long as `in`.
void Decode(Law law, std::span<const uint8_t> in, std::span<int16_t> out);
void Encode(Law law, std::span<const int16_t> in, std::span<uint8_t> out);

// The codeword of silence: 0xff for µ-law, 0xd5 for A-law.
constexpr uint8_t SilenceCodeword(Law law) { return law == Law::kMu ? 0xff : 0xd5; }

}  // namespace flattone::dsp
