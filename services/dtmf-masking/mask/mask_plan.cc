#include "services/dtmf-masking/mask/mask_plan.h"

#include <algorithm>

namespace flattone::masking {

void MaskPlan::Cover(int64_t from, int64_t to) {
  from = std::max<int64_t>({from, decided_, 0});
  to = std::min<int64_t>(to, from + (kCells - 2) * kCell);
  if (to <= from) return;
  for (int64_t cell = from / kCell; cell <= (to - 1) / kCell; ++cell) covered_[cell % kCells] = cell + 1;
}

bool MaskPlan::AskTone() {
  if (waiting_ >= kMostWaiting) return false;
  ++waiting_;
  return true;
}

int64_t MaskPlan::ToneLeft() const {
  const int64_t sounding = tone_end_ > decided_ ? tone_end_ - decided_ : 0;
  return sounding + waiting_ * int64_t{tone_samples_ + kGrid};
}

bool MaskPlan::Covered(int64_t from, int64_t to) const {
  if (from < open_until_) return true;
  for (int64_t cell = from / kCell; cell <= (to - 1) / kCell; ++cell) {
    if (covered_[cell % kCells] == cell + 1) return true;
  }
  return false;
}

MaskPlan::Decision MaskPlan::Decide(int64_t from, int64_t to) {
  if (waiting_ > 0 && from >= tone_end_ + kGrid) {
    --waiting_;
    tone_begin_ = from;
    tone_end_ = from + tone_samples_;
  }
  Decision d;
  const int64_t begin = std::max(from, tone_begin_), end = std::min(to, tone_end_);
  if (begin < end) {
    d.tone_begin = begin;
    d.tone_end = end;
    d.tone_offset = begin - tone_begin_;
  }
  const bool within_grid = last_masked_ && from == decided_ && from % kGrid != 0;
  d.masked = begin < end || within_grid || Covered(from, to);
  last_masked_ = d.masked;
  decided_ = to;
  return d;
}

}  // namespace flattone::masking
