// The control "look-ahead off": a detector whose verdicts come a look-ahead late, so that none of them can cover what a leg
// without look-ahead would have sent by then. What it covers behind an onset is what such a leg covers.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "services/dtmf-masking/detect/tone_detector.h"

namespace flattone::leak {

class LateDetector final : public masking::ToneDetector {
 public:
  LateDetector(std::unique_ptr<masking::ToneDetector> inner, int late_samples)
      : inner_(std::move(inner)), waiting_(static_cast<size_t>(late_samples / masking::kHop)),
        late_(late_samples) {}

  bool Push(std::span<const int16_t> hop, int known) override {
    const bool verdict = inner_->Push(hop, known);
    if (waiting_.empty()) return verdict;
    const bool now = waiting_[at_];
    waiting_[at_] = verdict;
    at_ = (at_ + 1) % waiting_.size();
    return now;
  }
  int reach() const override { return inner_->reach() + late_; }
  void Reset() override {
    inner_->Reset();
    waiting_.assign(waiting_.size(), false);
  }

 private:
  std::unique_ptr<masking::ToneDetector> inner_;
  std::vector<bool> waiting_;
  const int late_;
  size_t at_ = 0;
};

}  // namespace flattone::leak
