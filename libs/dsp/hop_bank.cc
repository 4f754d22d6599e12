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

// This hop's sums of one register of frequencies, then two and four hops by turning what came before.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void Finish(D d, const HopBank::Tables& t, const HopBank::Step& s, size_t f, V re, V im) {
  const size_t im_at = static_cast<size_t>(t.padded), row = 2 * im_at;
  hn::Store(re, d, s.one + f);
  hn::Store(im, d, s.one + im_at + f);
  const auto add_turned = [&](const float* older, const float* back) HWY_ATTR {
    const auto u = hn::Load(d, older + f), v = hn::Load(d, older + im_at + f);
    const auto c = hn::Load(d, back + f), w = hn::Load(d, back + im_at + f);
    re = hn::Add(re, hn::NegMulAdd(v, w, hn::Mul(u, c)));
    im = hn::Add(im, hn::MulAdd(u, w, hn::Mul(v, c)));
  };
  add_turned(s.one_back, t.back.data());
  hn::Store(re, d, s.two + f);
  hn::Store(im, d, s.two + im_at + f);
  add_turned(s.two_back, t.back.data() + row);
  hn::Store(re, d, s.four + f);
  hn::Store(im, d, s.four + im_at + f);
  hn::Store(hn::MulAdd(re, re, hn::Mul(im, im)), d, s.power + f);
}

void Advance(const HopBank::Tables& t, const HopBank::Step& s) {
  const hn::CappedTag<float, HopBank::kLanes> d;
  const size_t lanes = hn::Lanes(d), im_at = static_cast<size_t>(t.padded), row = 2 * im_at, half = static_cast<size_t>(t.half);
  size_t f = 0;
  for (; f + 3 * lanes <= im_at; f += 3 * lanes) {  // a sample that is spread over a register serves three registers of frequencies
    auto re0 = hn::Zero(d), re1 = re0, re2 = re0, im0 = re0, im1 = re0, im2 = re0;
    const float* turn = t.turn.data() + f;
    for (size_t k = 0; k < half; ++k, turn += row) {
      const auto a = hn::Set(d, s.even[k]), b = hn::Set(d, s.odd[k]);
      re0 = hn::MulAdd(a, hn::Load(d, turn), re0);
      re1 = hn::MulAdd(a, hn::Load(d, turn + lanes), re1);
      re2 = hn::MulAdd(a, hn::Load(d, turn + 2 * lanes), re2);
      im0 = hn::MulAdd(b, hn::Load(d, turn + im_at), im0);
      im1 = hn::MulAdd(b, hn::Load(d, turn + im_at + lanes), im1);
      im2 = hn::MulAdd(b, hn::Load(d, turn + im_at + 2 * lanes), im2);
    }
    Finish(d, t, s, f, re0, im0);
    Finish(d, t, s, f + lanes, re1, im1);
    Finish(d, t, s, f + 2 * lanes, re2, im2);
  }
  for (; f < im_at; f += lanes) {
    auto re0 = hn::Zero(d), re1 = re0, im0 = re0, im1 = re0;  // two chains each: a multiply-add takes four cycles
    const float* turn = t.turn.data() + f;
    for (size_t k = 0; k + 1 < half; k += 2, turn += 2 * row) {
      re0 = hn::MulAdd(hn::Set(d, s.even[k]), hn::Load(d, turn), re0);
      im0 = hn::MulAdd(hn::Set(d, s.odd[k]), hn::Load(d, turn + im_at), im0);
      re1 = hn::MulAdd(hn::Set(d, s.even[k + 1]), hn::Load(d, turn + row), re1);
      im1 = hn::MulAdd(hn::Set(d, s.odd[k + 1]), hn::Load(d, turn + row + im_at), im1);
    }
    Finish(d, t, s, f, hn::Add(re0, re1), hn::Add(im0, im1));
  }
}

// What a sample and its mirror add up to, and how they differ; the hop's sum of squares. Four by four, the last of the
// half once more where it is no multiple.
float Split(const int16_t* hop, size_t half, float* even, float* odd) {
  const hn::CappedTag<float, 4> d;
  const size_t lanes = hn::Lanes(d);
  const hn::Rebind<int32_t, decltype(d)> wide;
  const hn::Rebind<int16_t, decltype(d)> narrow;
  alignas(16) float x[HopBank::kMostHop];
  auto energy = hn::Zero(d);
  for (size_t k = 0; k < 2 * half; k += lanes) {
    const auto v = hn::ConvertTo(d, hn::PromoteTo(wide, hn::LoadU(narrow, hop + k)));
    energy = hn::MulAdd(v, v, energy);
    hn::Store(v, d, x + k);
  }
  const auto fold = [&](size_t k) HWY_ATTR {
    const auto v = hn::LoadU(d, x + k), mirror = hn::Reverse(d, hn::LoadU(d, x + 2 * half - lanes - k));
    hn::StoreU(hn::Add(v, mirror), d, even + k);
    hn::StoreU(hn::Sub(v, mirror), d, odd + k);
  };
  for (size_t k = 0; k + lanes <= half; k += lanes) fold(k);
  if (half % lanes != 0) fold(half - lanes);
  return hn::GetLane(hn::SumOfLanes(d, energy));
}

}  // namespace HWY_NAMESPACE
}  // namespace flattone::dsp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace flattone::dsp {
namespace {

HWY_EXPORT(Advance);
HWY_EXPORT(Split);

int Rounded(size_t n) { return static_cast<int>((n + HopBank::kLanes - 1) / HopBank::kLanes * HopBank::kLanes); }

}  // namespace

HopBank::HopBank(std::span<const double> hz, int hop) : size_(static_cast<int>(std::min<size_t>(hz.size(), kMost))) {
  const int padded = tables_.padded = Rounded(static_cast<size_t>(size_));
  const int half = tables_.half = std::min(hop, kMostHop) / 2;
  for (int f = 0; f < size_; ++f) {
    const double omega = 2.0 * std::numbers::pi * hz[f] / kSampleRate;
    for (int k = 0; k < half; ++k) {
      const double from_middle = k - (2 * half - 1) / 2.0;
      tables_.turn[k * 2 * padded + f] = static_cast<float>(std::cos(omega * from_middle));
      tables_.turn[k * 2 * padded + padded + f] = static_cast<float>(-std::sin(omega * from_middle));
    }
    for (int n = 0; n < 3; ++n) {
      tables_.back[n * 2 * padded + f] = static_cast<float>(std::cos(omega * 2 * half * (1 << n)));
      tables_.back[n * 2 * padded + padded + f] = static_cast<float>(std::sin(omega * 2 * half * (1 << n)));
    }
  }
}

void HopBank::Advance(const Step& step) const { HWY_DYNAMIC_DISPATCH(Advance)(tables_, step); }

float HopBank::Split(std::span<const int16_t> hop, float* even, float* odd) const {
  return HWY_DYNAMIC_DISPATCH(Split)(hop.data(), static_cast<size_t>(tables_.half), even, odd);
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
