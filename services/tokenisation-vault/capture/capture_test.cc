#include "services/tokenisation-vault/capture/capture_rig.h"

namespace flattone::vault {
namespace {

TEST_CASE("a field times out without keys, and a restart revives it") {
  Rig rig;
  rig.Type("51");
  rig.Wait(absl::Milliseconds(59'900));
  CHECK(rig.Of(Field::kPan).state == FieldState::kCollecting);
  rig.Wait(absl::Milliseconds(200));
  CHECK(rig.Of(Field::kPan).state == FieldState::kInvalid);
  CHECK(rig.Of(Field::kPan).problem == Problem::kTimedOut);
  rig.Type("1");
  CHECK(rig.progress().extra_keys == 1);
  CHECK(rig.capture->RestartField(Field::kPan, 2, rig.now()).ok());
  rig.Type("5");
  CHECK(rig.Of(Field::kPan).count == 1);
}

TEST_CASE("the whole capture ends by its time, complete or not, and holds nothing then") {
  Rules rules = Rig::Standard();
  rules.timeout = absl::Seconds(30);
  Rig rig(rules);
  rig.Type(Number("51", 16) + "1230" "123");
  rig.Wait(absl::Seconds(30));
  CHECK(rig.progress().state == CaptureState::kExpired);
  CHECK(CodeOf(rig.capture->Collect(rig.now()).status()) == "capture_ended");
}

TEST_CASE("a cancelled capture holds nothing; keys that still come are counted only") {
  Rig rig;
  rig.Type("5112");
  rig.capture->Cancel();
  CHECK(rig.progress().state == CaptureState::kCancelled);
  const auto late = rig.Press('7');
  REQUIRE(late.ok());
  CHECK_FALSE(late->taken);
  CHECK(rig.progress().extra_keys == 1);
  CHECK(CodeOf(rig.capture->BeginEpoch(2, rig.now()).status()) == "capture_ended");
  CHECK(CodeOf(rig.capture->UndoKey(Field::kPan, 4, rig.now())) == "capture_ended");
  rig.capture->Cancel();
  CHECK(rig.progress().state == CaptureState::kCancelled);
}

TEST_CASE("an incomplete capture gives no card, and names what is missing") {
  Rig rig;
  rig.Type(Number("51", 16));
  const auto status = rig.capture->Collect(rig.now()).status();
  CHECK(CodeOf(status) == "capture_incomplete");
  CHECK(DetailOf(status)->field == "expiry");
}

TEST_CASE("a card that could not be stored is given back, and the capture can be tried again") {
  Rig rig;
  rig.Type(Number("51", 16) + "1230" "123");
  auto card = rig.capture->Collect(rig.now());
  CHECK(CodeOf(rig.capture->RestartField(Field::kPan, 16, rig.now())) == "capture_ended");
  rig.Type("9");
  rig.capture->GiveBack(std::move(*card));
  CHECK(rig.progress().state == CaptureState::kComplete);
  auto again = rig.capture->Collect(rig.now());
  REQUIRE(again.ok());
  CHECK(again->pan.RevealText(kTest) == Number("51", 16));
}

TEST_CASE("rules out of their limits are refused by name") {
  auto refused = [](Rules rules) { return DetailOf(ValidateRules(rules))->field; };
  Rules rules = Rig::Standard();
  rules.card_tries = 11;
  CHECK(refused(rules) == "rules.card_tries");
  rules = Rig::Standard();
  rules.fields[1].timeout = absl::Seconds(4);
  CHECK(refused(rules) == "rules.fields[1].timeout_seconds");
  rules = Rig::Standard();
  rules.fields.push_back({Field::kPan});
  CHECK(refused(rules) == "rules.fields[3].field");
  rules = Rig::Standard();
  rules.fields.erase(rules.fields.begin());
  CHECK(refused(rules) == "rules.fields");
  rules = Rig::Standard();
  rules.fields[0].length = 16;
  CHECK(refused(rules) == "rules.fields[0].length");
  rules = Rig::Standard();
  rules.length_pause = absl::Milliseconds(100);
  CHECK(refused(rules) == "rules.length_pause_ms");
  rules = Rig::Standard();
  rules.timeout = absl::Seconds(601);
  CHECK(refused(rules) == "rules.timeout_seconds");
}

TEST_CASE("a capture reserves its memory when it opens and gives all of it back") {
  const size_t before = secret::Arena::Process().usage().used_bytes;
  {
    Rig rig;
    const size_t open = secret::Arena::Process().usage().used_bytes;
    CHECK(open > before);
    rig.Type(Number("51", 16) + "1230" "123");
    CHECK(secret::Arena::Process().usage().used_bytes == open);
  }
  CHECK(secret::Arena::Process().usage().used_bytes == before);
}

TEST_CASE("random keys never break a capture's rules") {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Rig rig;
    testing::SeededRandom random(seed);
    uint64_t last = 0;
    for (int i = 0; i < 60; ++i) {
      rig.clock.Advance(absl::Milliseconds(random.Below(3000)));
      if (random.Below(15) == 0) ++rig.ordinal;
      rig.capture->Tick(rig.now());
      static_cast<void>(rig.Press("0123456789*#A5554"[random.Below(17)]));
      if (random.Below(10) == 0) static_cast<void>(rig.capture->RestartField(Field::kPan, rig.Of(Field::kPan).count, rig.now()));
      const Progress progress = rig.progress();
      REQUIRE(progress.revision >= last);
      last = progress.revision;
      REQUIRE(progress.card_tries_used <= 3);
      int collecting = 0;
      for (const auto& field : progress.fields) {
        collecting += field.state == FieldState::kCollecting;
        REQUIRE(field.count <= LongestLength(field.field));
      }
      REQUIRE(collecting <= 1);
    }
  }
}

}  // namespace
}  // namespace flattone::vault
