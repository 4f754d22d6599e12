#include <array>

#include "services/dtmf-masking/detect/tone_detector.h"
#include "services/dtmf-masking/detect/tree_model.h"

namespace flattone::masking {
namespace {

class TrainedDetector final : public ToneDetector {
 public:
  bool Push(std::span<const int16_t> hop, int known) override {
    const ToneFeatures::Answer answer = features_.Push(hop, known);
    ++since_;
    if (answer == ToneFeatures::Answer::kNone) return on_;
    since_ = 0;
    on_ = answer == ToneFeatures::Answer::kPossible && Margin() > (on_ ? TreeModel::go_on() : TreeModel::start());
    return on_;
  }
  Span span() const override {
    const int end = ToneFeatures::kAhead + since_ * kHop;
    return {end + kHop, end - ToneFeatures::kAsked};
  }
  void Reset() override {
    features_.Reset();
    on_ = false;
  }

 private:
  float Margin() const {
    std::array<float, ToneFeatures::kCount> numbers;
    features_.Fill(numbers);
    return TreeModel::Margin(numbers);
  }

  ToneFeatures features_;
  bool on_ = false;
  int since_ = 0;  // hops since the last question
};

}  // namespace

std::unique_ptr<ToneDetector> MakeTrainedDetector() { return std::make_unique<TrainedDetector>(); }

}  // namespace flattone::masking
