#include "services/tokenisation-vault/capture/capture_rig.h"

namespace flattone::vault {
namespace {

TEST_CASE("fixed lengths end fields by themselves; the card comes out as it was typed") {
  Rig rig;
  const std::string pan = Number("51", 16);
  rig.Type(pan.substr(0, 10));
  CHECK(rig.Of(Field::kPan).masked == "•••• •••• ••");
  CHECK(rig.Of(Field::kPan).count == 10);
  CHECK(rig.Of(Field::kPan).expected == 16);
  CHECK(rig.Of(Field::kPan).brand == card::Brand::kMastercard);
  CHECK(rig.Of(Field::kExpiry).state == FieldState::kWaiting);
  rig.Type(pan.substr(10));
  CHECK(rig.Of(Field::kPan).state == FieldState::kComplete);
  CHECK(rig.progress().current == Field::kExpiry);
  rig.Type("1230");
  rig.Type("123");
  CHECK(rig.progress().state == CaptureState::kComplete);
  CHECK_FALSE(rig.progress().current.has_value());
  auto card = rig.capture->Collect(rig.now());
  REQUIRE(card.ok());
  CHECK(card->pan.RevealText(kTest) == pan);
  CHECK(card->expiry.RevealText(kTest) == "1230");
  CHECK(card->security_code.RevealText(kTest) == "123");
  CHECK(card->postcode.empty());
  CHECK(card->code_deadline_nanos == rig.clock.MonotonicNanos() + 600'000'000'000);
  rig.capture->Finish();
  CHECK(rig.progress().state == CaptureState::kTokenised);
  CHECK(rig.Of(Field::kPan).count == 16);
  CHECK(rig.progress().card_tries_used == 1);
}

TEST_CASE("a number of a brand with several lengths waits for # or a pause") {
  SECTION("#") {
    Rig rig;
    rig.Type(Number("4", 16));
    CHECK(rig.Of(Field::kPan).state == FieldState::kCollecting);
    CHECK(rig.Of(Field::kPan).expected == 0);
    rig.Type("#");
    CHECK(rig.Of(Field::kPan).state == FieldState::kComplete);
  }
  SECTION("pause") {
    Rig rig;
    rig.Type(Number("4", 16));
    rig.Wait(absl::Milliseconds(3900));
    CHECK(rig.Of(Field::kPan).state == FieldState::kCollecting);
    rig.Wait(absl::Milliseconds(200));
    CHECK(rig.Of(Field::kPan).state == FieldState::kComplete);
  }
  SECTION("the longest length needs neither") {
    Rig rig;
    rig.Type(Number("4", 19));
    CHECK(rig.Of(Field::kPan).state == FieldState::kComplete);
  }
  SECTION("a rest after 13 of 16 digits ends nothing unless the 13 are a number") {
    Rig rig;
    const std::string pan = Number("400000", 16);
    REQUIRE_FALSE(card::LuhnValid(pan.substr(0, 13)));
    rig.Type(pan.substr(0, 13));
    rig.Wait(absl::Seconds(6));
    CHECK(rig.Of(Field::kPan).state == FieldState::kCollecting);
    rig.Type(pan.substr(13));
    rig.Wait(absl::Seconds(5));
    CHECK(rig.Of(Field::kPan).state == FieldState::kComplete);
  }
  SECTION("16 digits with a wrong check digit are told after the pause") {
    Rig rig;
    rig.Type(Spoilt(Number("4", 16)));
    rig.Wait(absl::Seconds(5));
    CHECK(rig.Of(Field::kPan).problem == Problem::kCheckDigit);
  }
}

TEST_CASE("what each field may not be is told with its reason") {
  Rig rig;
  SECTION("check digit") {
    rig.Type(Spoilt(Number("51", 16)));
    CHECK(rig.Of(Field::kPan).state == FieldState::kInvalid);
    CHECK(rig.Of(Field::kPan).problem == Problem::kCheckDigit);
    CHECK(rig.progress().current == Field::kPan);
  }
  SECTION("too short, ended by #") {
    rig.Type("40001234#");
    CHECK(rig.Of(Field::kPan).problem == Problem::kTooShort);
  }
  SECTION("month, date") {
    rig.Type(Number("51", 16) + "1330");
    CHECK(rig.Of(Field::kExpiry).problem == Problem::kNotADate);
    CHECK(rig.capture->RestartField(Field::kExpiry, 4, rig.now()).ok());
    CHECK(rig.Of(Field::kExpiry).problem == Problem::kRestarted);
    rig.Type("1125");
    CHECK(rig.Of(Field::kExpiry).problem == Problem::kExpired);
  }
  SECTION("the code of an American Express card has four digits") {
    rig.Type(Number("37", 15));
    CHECK(rig.Of(Field::kPan).masked == "•••• •••••• •••••");
    rig.Type("1230" "123");
    CHECK(rig.Of(Field::kSecurityCode).state == FieldState::kCollecting);
    CHECK(rig.Of(Field::kSecurityCode).expected == 4);
    rig.Type("4");
    CHECK(rig.progress().state == CaptureState::kComplete);
  }
  SECTION("a short code ended by #") {
    rig.Type(Number("51", 16) + "1230" + "12#");
    CHECK(rig.Of(Field::kSecurityCode).problem == Problem::kTooShort);
  }
}

TEST_CASE("a brand that is not accepted is told as soon as it shows") {
  Rules rules = Rig::Standard();
  rules.accepted_brands = {card::Brand::kVisa};
  Rig rig(rules);
  rig.Type("37");
  CHECK(rig.Of(Field::kPan).problem == Problem::kBrandNotAccepted);
  rig.Type("1234");
  CHECK(rig.progress().extra_keys == 4);
  CHECK(rig.Of(Field::kPan).count == 2);
  rig.Type("*" + Number("4", 16) + "#");
  CHECK(rig.Of(Field::kPan).state == FieldState::kComplete);
}

TEST_CASE("extra keys are counted and never reach the next field") {
  Rig rig;
  rig.Type(Number("51", 16));
  rig.Type("#");  // out of habit: ends nothing
  CHECK(rig.progress().extra_keys == 0);
  CHECK(rig.Of(Field::kExpiry).count == 0);
  rig.Type("1230" "123");
  rig.Type("45A");
  CHECK(rig.progress().extra_keys == 3);
  CHECK(rig.progress().state == CaptureState::kComplete);
  auto card = rig.capture->Collect(rig.now());
  CHECK(card->security_code.RevealText(kTest) == "123");
}

TEST_CASE("* clears the field that collects") {
  Rig rig;
  rig.Type("511*");
  CHECK(rig.Of(Field::kPan).count == 0);
  CHECK(rig.Of(Field::kPan).problem == Problem::kClearedByCaller);
  CHECK(rig.progress().card_tries_used == 1);
  rig.Type("5");
  CHECK(rig.Of(Field::kPan).problem == Problem::kNone);
  CHECK(rig.progress().card_tries_used == 1);
}

TEST_CASE("a new number of another brand clears a code of the wrong length") {
  Rig rig;
  rig.Type(Number("51", 16) + "1230" + "123");
  REQUIRE(rig.capture->RestartField(Field::kPan, 16, rig.now()).ok());
  rig.Type(Number("37", 15));
  CHECK(rig.progress().current == Field::kSecurityCode);
  CHECK(rig.Of(Field::kSecurityCode).count == 0);
  CHECK(rig.Of(Field::kSecurityCode).problem == Problem::kTooShort);
}

TEST_CASE("postcodes end at their length, or with #") {
  Rules rules = Rig::Standard();
  rules.fields.push_back({Field::kPostcode, absl::Seconds(60), 5});
  Rig fixed(rules);
  fixed.Type(Number("51", 16) + "1230" "123" "90210");
  CHECK(fixed.progress().state == CaptureState::kComplete);
  rules.fields.back().length = 0;
  Rig open(rules);
  open.Type(Number("51", 16) + "1230" "123" "902");
  open.Wait(absl::Seconds(10));
  CHECK(open.progress().state == CaptureState::kCollecting);
  open.Type("#");
  CHECK(open.progress().state == CaptureState::kComplete);
}

}  // namespace
}  // namespace flattone::vault
