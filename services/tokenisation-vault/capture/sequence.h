// Which key comes next: the masker numbers its keys 1, 2, 3 … within an epoch, and a masker that takes over
// has a greater epoch. Decides what an arriving (epoch, ordinal) is; knows nothing of symbols.
#pragma once

#include <cstdint>

namespace flattone::vault {

enum class Arrival {
  kNext,        // the expected one
  kRepeat,      // seen before: acknowledged again, changes nothing
  kGap,         // later than expected: keys between were lost
  kStaleEpoch,  // of a masker that was replaced
  kNewEpoch,    // the first of an epoch that did not announce itself
};

class KeySequence {
 public:
  Arrival Classify(uint32_t epoch, uint64_t ordinal) const {
    if (epoch < epoch_) return Arrival::kStaleEpoch;
    if (epoch > epoch_) return Arrival::kNewEpoch;
    if (ordinal < next_) return Arrival::kRepeat;
    return ordinal == next_ ? Arrival::kNext : Arrival::kGap;
  }

  // Whether a masker may announce this epoch: greater than any before; the same again only while none of its
  // keys has come (its first announcement's answer was lost).
  bool MayBegin(uint32_t epoch) const { return epoch > epoch_ || (epoch == epoch_ && epoch != 0 && next_ == 1); }
  // True when another masker's epoch was running before.
  bool Begin(uint32_t epoch) {
    const bool took_over = epoch_ != 0 && epoch != epoch_;
    if (epoch != epoch_) next_ = 1;
    epoch_ = epoch;
    return took_over;
  }
  void Accept(uint64_t ordinal) { next_ = ordinal + 1; }

  uint32_t epoch() const { return epoch_; }
  uint64_t next() const { return next_; }

 private:
  uint32_t epoch_ = 0;
  uint64_t next_ = 1;
};

}  // namespace flattone::vault
