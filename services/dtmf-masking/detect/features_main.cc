// masking-features: 16-bit samples in, the trained detector's numbers out, for tools/train-detector. Never a
// second implementation of them.
//
//   masking-features <samples >records
//   masking-features --count
//
// Input: native 16-bit samples at 8,000 a second. Output: for each question that a glance does not answer, its
// number (uint32, from 0) and ToneFeatures::kCount floats, native. Question n is about samples [40n, 40n + 40).
#include <array>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "services/dtmf-masking/detect/tone_features.h"

int main(int argc, char** argv) {
  using flattone::masking::kHop;
  using flattone::masking::ToneFeatures;
  if (argc > 1) {  // --count: how many numbers a record has
    return std::printf("%d\n", ToneFeatures::kCount) > 0 ? 0 : 1;
  }
  ToneFeatures features;
  std::array<int16_t, kHop> hop;
  std::array<float, ToneFeatures::kCount> numbers;
  constexpr uint32_t kPushes = ToneFeatures::kAhead / kHop;  // when the question about sample 0 comes
  for (uint32_t n = 1; std::fread(hop.data(), sizeof hop[0], hop.size(), stdin) == hop.size(); ++n) {
    if (features.Push(hop, kHop) != ToneFeatures::Answer::kPossible || n < kPushes) continue;
    features.Fill(numbers);
    const uint32_t asked = (n - kPushes) / ToneFeatures::kStride;
    if (std::fwrite(&asked, sizeof asked, 1, stdout) != 1 ||
        std::fwrite(numbers.data(), sizeof numbers[0], numbers.size(), stdout) != numbers.size()) {
      return 1;
    }
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}
