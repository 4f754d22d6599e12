#include "services/dtmf-masking/detect/tree_model.h"

namespace flattone::masking {
namespace {

#include "services/dtmf-masking/detect/tone_model.inc"

// No branch depends on the sound: the processor works at several trees at once.
float Ask(const Tree& tree, TreeModel::Numbers numbers) {
  unsigned node = 0;
#pragma GCC unroll 5
  for (int level = 0; level < Tree::kDepth; ++level) {
    node = 2 * node + 1 + static_cast<unsigned>(numbers[tree.feature[node]] > tree.threshold[node]);
  }
  return tree.leaf[node - Tree::kNodes];
}

float Sum(TreeModel::Numbers numbers, int from, int to) {
  float sum = 0;
  for (int t = from; t < to; ++t) sum += Ask(kTrees[t], numbers);
  return sum;
}

}  // namespace

float TreeModel::Margin(Numbers numbers) {
  float margin = 0;
  int at = 0;
  for (const Gate& gate : kGates) {
    margin += Sum(numbers, at, gate.trees);
    at = gate.trees;
    if (margin < gate.hopeless || margin > gate.certain) return margin;
  }
  return margin + Sum(numbers, at, static_cast<int>(std::size(kTrees)));
}

float TreeModel::WholeMargin(Numbers numbers) { return Sum(numbers, 0, static_cast<int>(std::size(kTrees))); }

float TreeModel::start() { return kStart; }
float TreeModel::go_on() { return kGoOn; }

}  // namespace flattone::masking
