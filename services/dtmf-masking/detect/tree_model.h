// The trained model: trees of depth five over the numbers of ToneFeatures, whose leaves sum to a margin (log odds).
// The data is compiled in (tone_model.inc, made by tools/train-detector); asking it allocates nothing.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "services/dtmf-masking/detect/tone_features.h"

namespace flattone::masking {

struct Tree {
  static constexpr int kDepth = 5;
  static constexpr int kNodes = (1 << kDepth) - 1;
  std::array<uint8_t, kNodes> feature;
  std::array<float, kNodes> threshold;  // above it: the right child, 2n + 2
  std::array<float, kNodes + 1> leaf;
};
// After so many trees a margin below `hopeless` or above `certain` is final: what a tree more would change was
// measured when the model was trained, and is in its score.
struct Gate {
  int trees;
  float hopeless, certain;
};

class TreeModel {
 public:
  using Numbers = std::span<const float, ToneFeatures::kCount>;
  // Log odds that a key sounds in the hop asked for.
  static float Margin(Numbers numbers);
  // All trees, no gate.
  static float WholeMargin(Numbers numbers);
  // A mask begins above the first and goes on above the second.
  static float start();
  static float go_on();
};

}  // namespace flattone::masking
