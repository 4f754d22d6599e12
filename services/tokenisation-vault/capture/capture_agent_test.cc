#include "services/tokenisation-vault/capture/capture_rig.h"

namespace flattone::vault {
namespace {

TEST_CASE("undo takes back the newest key, and fails when the count is not what the agent saw") {
  Rig rig;
  rig.Type("4012");
  CHECK(CodeOf(rig.capture->UndoKey(Field::kPan, 3, rig.now())) == "field_mismatch");
  CHECK(CodeOf(rig.capture->UndoKey(Field::kExpiry, 0, rig.now())) == "field_mismatch");
  CHECK(rig.capture->UndoKey(Field::kPan, 4, rig.now()).ok());
  CHECK(rig.Of(Field::kPan).count == 3);
  CHECK(CodeOf(rig.capture->UndoKey(Field::kPan, 4, rig.now())) == "field_mismatch");
  for (int count = 3; count > 0; --count) CHECK(rig.capture->UndoKey(Field::kPan, count, rig.now()).ok());
  CHECK_FALSE(rig.Of(Field::kPan).brand.has_value());
  CHECK(CodeOf(rig.capture->UndoKey(Field::kPan, 0, rig.now())) == "field_empty");
  CHECK(rig.capture->UndoKey(Field::kPostcode, 0, rig.now()).code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("restarting a field needs its count, clears it, and goes on with what is not complete") {
  Rig rig;
  rig.Type(Number("51", 16) + "12");
  CHECK(CodeOf(rig.capture->RestartField(Field::kPan, 15, rig.now())) == "field_mismatch");
  REQUIRE(rig.capture->RestartField(Field::kPan, 16, rig.now()).ok());
  CHECK(rig.Of(Field::kPan).count == 0);
  CHECK(rig.Of(Field::kExpiry).count == 0);
  CHECK(rig.Of(Field::kExpiry).state == FieldState::kWaiting);
  rig.Type(Number("52", 16) + "1230" + "123");
  CHECK(rig.progress().state == CaptureState::kComplete);
  REQUIRE(rig.capture->RestartField(Field::kSecurityCode, 3, rig.now()).ok());
  CHECK(rig.progress().state == CaptureState::kCollecting);
  rig.Type("999");
  CHECK(rig.progress().state == CaptureState::kComplete);
  CHECK(rig.progress().card_tries_used == 2);
}

TEST_CASE("card tries are bounded: the last bad number ends the capture, restarts are refused before") {
  Rules rules = Rig::Standard();
  rules.card_tries = 2;
  Rig rig(rules);
  rig.Type(Spoilt(Number("51", 16)));
  CHECK(rig.progress().card_tries_used == 1);
  REQUIRE(rig.capture->RestartField(Field::kPan, 16, rig.now()).ok());
  rig.Type("52");
  CHECK(rig.progress().card_tries_used == 2);
  CHECK(CodeOf(rig.capture->RestartField(Field::kPan, 2, rig.now())) == "card_tries_used");
  rig.Type("*" + Spoilt(Number("51", 16)));
  CHECK(rig.progress().state == CaptureState::kFailed);
  CHECK(CodeOf(rig.capture->RestartField(Field::kPan, 16, rig.now())) == "capture_ended");
}

TEST_CASE("submit ends a field as # does") {
  Rig rig;
  rig.Type(Number("4", 16));
  CHECK(CodeOf(rig.capture->SubmitField(Field::kPan, 15, rig.now())) == "field_mismatch");
  CHECK(rig.capture->SubmitField(Field::kPan, 16, rig.now()).ok());
  CHECK(rig.Of(Field::kPan).state == FieldState::kComplete);
  CHECK(rig.capture->SubmitField(Field::kPan, 16, rig.now()).ok());
  CHECK(CodeOf(rig.capture->SubmitField(Field::kExpiry, 0, rig.now())) == "field_empty");
}

TEST_CASE("one by one: a field begins when the agent names it") {
  Rules rules = Rig::Standard();
  rules.one_by_one = true;
  Rig rig(rules);
  rig.Type(Number("51", 16) + "12");
  CHECK(rig.progress().extra_keys == 2);
  CHECK_FALSE(rig.progress().current.has_value());
  CHECK(rig.progress().state == CaptureState::kCollecting);
  REQUIRE(rig.capture->RestartField(Field::kSecurityCode, 0, rig.now()).ok());
  CHECK(rig.Of(Field::kSecurityCode).problem == Problem::kNone);
  rig.Type("123");
  REQUIRE(rig.capture->RestartField(Field::kExpiry, 0, rig.now()).ok());
  rig.Type("1230");
  CHECK(rig.progress().state == CaptureState::kComplete);
}

}  // namespace
}  // namespace flattone::vault
