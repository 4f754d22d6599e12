// Telephone levels. 0 dBm0 is a sine 3.14 dB below full scale (the µ-law overload point).
#pragma once

#include <cmath>
#include <cstdint>
#include <span>

namespace flattone::dsp {

inline constexpr int kSampleRate = 8000;
// Mean square of a 0 dBm0 signal on the 16-bit scale: (32767 · 10^(−3.14/20))² / 2.
inline constexpr double kZeroDbm0Power = 260'515'000.0;

inline double PowerOfDbm0(double dbm0) { return kZeroDbm0Power * std::pow(10.0, dbm0 / 10.0); }
// −120 for silence.
inline double Dbm0OfPower(double mean_square) {
  return mean_square <= 0.0 ? -120.0 : 10.0 * std::log10(mean_square / kZeroDbm0Power);
}
// Peak amplitude of a sine of that level, on the 16-bit scale.
inline double AmplitudeOfDbm0(double dbm0) { return std::sqrt(2.0 * PowerOfDbm0(dbm0)); }

inline double MeanSquare(std::span<const int16_t> samples) {
  double sum = 0;
  for (const int16_t s : samples) sum += static_cast<double>(s) * s;
  return samples.empty() ? 0.0 : sum / static_cast<double>(samples.size());
}

}  // namespace flattone::dsp
