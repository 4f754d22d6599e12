#include "libs/dsp/hop_bank.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string_view>
#include <vector>

#include "libs/dsp/level.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "libs/dsp/hop_bank.cc"
#include "hwy/foreach_target.h"  // compiles what follows once per instruction set
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace flattone::dsp {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// One register of frequencies: this hop, then 5, 10 and 20 ms by turning what came before.
template <class D>
HWY_INLINE void OneRegister(D d, const HopBank::Tables& t, const HopBank::Step& s, size_t f) {
  const size_t im_at = static_cast<size_t>(t.padded) + f, row = 2 * static_cast<size_t>(t.padded);
  auto re0 = hn::Zero(d), re1 = hn::Zero(d), im0 = hn::Zero(d), im1 = hn::Zero(d);
  for (size_t k = 0; k < HopBank::kHalf; k += 2) {  // two chains each: a multiply-add takes four cycles
    const float* turn = t.turn.data() + k * row;
    re0 = hn::MulAdd(hn::Set(d, s.even[k]), hn::Load(d, turn + f), re0);
    im0 = hn::MulAdd(hn::Set(d, s.odd[k]), hn::Load(d, turn + im_at), im0);
    re1 = hn::MulAdd(hn::Set(d, s.even[k + 1]), hn::Load(d, turn + row + f), re1);
    im1 = hn::MulAdd(hn::Set(d, s.odd[k + 1]), hn::Load(d, turn + row + im_at), im1);
  }
  auto re = hn::Add(re0, re1), im = hn::Add(im0, im1);
  const auto add_turned = [&](const float* older, const float* back) HWY_ATTR {
    const auto x = hn::Load(d, older + f), y = hn::Load(d, older + im_at);
    const auto c = hn::Load(d, back + f), w = hn::Load(d, back + im_at);
    re = hn::Add(re, hn::NegMulAdd(y, w, hn::Mul(x, c)));
    im = hn::Add(im, hn::MulAdd(x, w, hn::Mul(y, c)));
  };
  const auto hop_re = re, hop_im = im;
  add_turned(s.last, t.back.data());
  hn::Store(hop_re, d, s.last + f);
  hn::Store(hop_im, d, s.last + im_at);
  hn::Store(re, d, s.pair + f);
  hn::Store(im, d, s.pair + im_at);
  add_turned(s.pair_back, t.back.data() + row);
  hn::Store(re, d, s.quad + f);
  hn::Store(im, d, s.quad + im_at);
  add_turned(s.quad_back, t.back.data() + 2 * row);
  hn::Store(hn::MulAdd(re, re, hn::Mul(im, im)), d, s.power + f);
}

void Advance(const HopBank::Tables& tables, const HopBank::Step& step) {
  const hn::CappedTag<float, HopBank::kLanes> d;
  for (size_t f = 0; f < static_cast<size_t>(tables.padded); f += hn::Lanes(d)) OneRegister(d, tables, step, f);
}

}  // namespace HWY_NAMESPACE
}  // namespace flattone::dsp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace flattone::dsp {
namespace {

HWY_EXPORT(Advance);

int Rounded(size_t n) { return static_cast<int>((n + HopBank::kLanes - 1) / HopBank::kLanes * HopBank::kLanes); }

}  // namespace

HopBank::HopBank(std::span<const double> hz)
    : size_(static_cast<int>(std::min<size_t>(hz.size(), kMost))), padded_(Rounded(size_)) {
  tables_.padded = padded_;
  for (int f = 0; f < size_; ++f) {
    const double omega = 2.0 * std::numbers::pi * hz[f] / kSampleRate;
    for (int k = 0; k < kHalf; ++k) {
      const double from_middle = k - (kHop - 1) / 2.0;
      tables_.turn[k * 2 * padded_ + f] = static_cast<float>(std::cos(omega * from_middle));
      tables_.turn[k * 2 * padded_ + padded_ + f] = static_cast<float>(-std::sin(omega * from_middle));
    }
    for (int n = 0; n < 3; ++n) {
      tables_.back[n * 2 * padded_ + f] = static_cast<float>(std::cos(omega * kHop * (1 << n)));
      tables_.back[n * 2 * padded_ + padded_ + f] = static_cast<float>(std::sin(omega * kHop * (1 << n)));
    }
  }
}

void HopWindows::Push(std::span<const int16_t> hop) {
  std::array<float, HopBank::kHalf> even, odd;
  float energy = 0;
  for (int k = 0; k < HopBank::kHalf; ++k) {
    const int a = hop[k], b = hop[HopBank::kHop - 1 - k];
    even[k] = static_cast<float>(a + b);
    odd[k] = static_cast<float>(a - b);
    energy += even[k] * even[k] + odd[k] * odd[k];  // twice a² + b²
  }
  ++now_;
  energy_[Slot(0, kPairs)] = energy / 2;
  HWY_DYNAMIC_DISPATCH(Advance)(bank_->tables(), {.even = even.data(), .odd = odd.data(),
                                                  .last = last_.sums.data(),
                                                  .pair_back = pairs_[Slot(2, kPairs)].sums.data(),
                                                  .pair = pairs_[Slot(0, kPairs)].sums.data(),
                                                  .quad_back = quads_[Slot(4, kQuads)].sums.data(),
                                                  .quad = quads_[Slot(0, kQuads)].sums.data(),
                                                  .power = power_.data()});
}

void HopWindows::Reset() { *this = HopWindows(*bank_); }

std::complex<float> HopWindows::TwoHops(int f) const {
  const float* row = bank_->tables().back.data() + 2 * bank_->padded();
  return {row[f], row[bank_->padded() + f]};
}

std::complex<float> HopWindows::QuadBefore(int f) const {
  const float* row = bank_->tables().back.data() + 4 * bank_->padded();
  const float c = row[f], s = row[bank_->padded() + f];
  const std::complex<float> older = Quad(f, 4);
  return {older.real() * c - older.imag() * s, older.real() * s + older.imag() * c};
}

float HopWindows::Energy(int hops, int ago) const {
  float sum = 0;
  for (int h = 0; h < hops; ++h) sum += energy_[Slot(ago + h, kPairs)];
  return sum;
}

std::span<const char* const> HopBankTargets() {
  static const std::vector<const char*> names = [] {
    std::vector<const char*> found;
    for (const int64_t target : hwy::SupportedAndGeneratedTargets()) found.push_back(hwy::TargetName(target));
    return found;
  }();
  return names;
}

bool ForceHopBankTarget(const char* name) {
  int64_t forced = 0;  // 0: whatever is best
  hwy::SetSupportedTargetsForTest(0);
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    if (std::string_view(name) == hwy::TargetName(target)) forced = target;
  }
  hwy::SetSupportedTargetsForTest(forced);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  return forced != 0 || name[0] == '\0';
}

}  // namespace flattone::dsp
#endif  // HWY_ONCE
