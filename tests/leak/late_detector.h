// The control "look-ahead off": a detector whose verdicts are told a look-ahead late and spoken of what is new then, so that an onset
// has left before it is covered, as in a leg that sends sound as it comes.
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
      : inner_(std::move(inner)), waiting_(static_cast<size_t>(late_samples / masking::kHop)) {}

  bool Push(std::span<const int16_t> hop, int known) override {
    const bool verdict = inner_->Push(hop, known);
    if (waiting_.empty()) return verdict;
    const bool now = waiting_[at_];
    waiting_[at_] = verdict;
    at_ = (at_ + 1) % waiting_.size();
    return now;
  }
  Span span() const override { return inner_->span(); }
  void Reset() override {
    inner_->Reset();
    waiting_.assign(waiting_.size(), false);
  }

 private:
  std::unique_ptr<masking::ToneDetector> inner_;
  std::vector<bool> waiting_;
  size_t at_ = 0;
};

}  // namespace flattone::leak
