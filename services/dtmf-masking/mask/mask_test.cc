#include <vector>

#include "libs/dsp/level.h"
#include "libs/testing/catch.h"
#include "services/dtmf-masking/mask/flat_tone.h"
#include "services/dtmf-masking/mask/mask_plan.h"

namespace flattone::masking {
namespace {

constexpr int64_t k0 = 160'000;

TEST_CASE("whole packets: one suspicious sample covers its packet and no other") {
  MaskPlan plan(480);
  plan.Cover(k0 + 200, k0 + 201);
  CHECK_FALSE(plan.Decide(k0, k0 + 160).masked);
  CHECK(plan.Decide(k0 + 160, k0 + 320).masked);
  CHECK_FALSE(plan.Decide(k0 + 320, k0 + 480).masked);
}

TEST_CASE("tail hold: 10 ms behind the last suspicion are covered") {
  MaskPlan plan(480);
  plan.Suspect(k0, k0 + 140);
  CHECK(plan.Decide(k0, k0 + 160).masked);
  CHECK(plan.Decide(k0 + 160, k0 + 320).masked);
  CHECK_FALSE(plan.Decide(k0 + 320, k0 + 480).masked);
}

TEST_CASE("with short packets a mask ends on the 20 ms grid") {
  MaskPlan plan(480);
  plan.Cover(k0 + 10, k0 + 20);
  CHECK(plan.Decide(k0, k0 + 80).masked);
  CHECK(plan.Decide(k0 + 80, k0 + 160).masked);
  CHECK_FALSE(plan.Decide(k0 + 160, k0 + 240).masked);
}

TEST_CASE("an open cover lasts until it is replaced") {
  MaskPlan plan(480);
  plan.CoverOpen(k0 + 800);
  CHECK(plan.Decide(k0, k0 + 160).masked);
  plan.CoverOpen(k0 + 170);
  CHECK(plan.Decide(k0 + 160, k0 + 320).masked);
  CHECK_FALSE(plan.Decide(k0 + 320, k0 + 480).masked);
}

TEST_CASE("flat tones have one length, begin with a packet and keep 20 ms apart") {
  MaskPlan plan(480);
  CHECK(plan.AskTone());
  CHECK(plan.AskTone());
  std::vector<int> tone;
  for (int i = 0; i < 9; ++i) {
    const auto d = plan.Decide(k0 + i * 160, k0 + i * 160 + 160);
    tone.push_back(static_cast<int>(d.tone_end - d.tone_begin));
  }
  CHECK(tone == std::vector<int>{160, 160, 160, 0, 160, 160, 160, 0, 0});
}

TEST_CASE("the number of waiting tones is bounded") {
  MaskPlan plan(480);
  for (int i = 0; i < MaskPlan::kMostWaiting; ++i) CHECK(plan.AskTone());
  CHECK_FALSE(plan.AskTone());
}

TEST_CASE("the flat tone has its level in both codecs") {
  for (const dsp::Law law : {dsp::Law::kMu, dsp::Law::kA}) {
    const FlatTone tone({}, law);
    std::vector<int16_t> sound;
    for (int i = 0; i < tone.length(); ++i) sound.push_back(dsp::Decode(law, tone.At(i)));
    CHECK(sound.size() == 480);
    CHECK(dsp::Dbm0OfPower(dsp::MeanSquare(sound)) == Approx(-16).margin(0.3));
  }
}

}  // namespace
}  // namespace flattone::masking
