#include "services/tokenisation-vault/capture/capture.h"

#include <string>

#include "libs/base/error.h"
#include "libs/card/luhn.h"
#include "libs/secret/arena.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"

namespace flattone::vault {
namespace {

const secret::ClearCardAccess kTest("a test looks at its own bytes");

std::string Number(std::string prefix, size_t length) {
  while (prefix.size() + 1 < length) prefix.push_back(static_cast<char>('0' + prefix.size() % 10));
  return prefix + card::LuhnDigit(prefix);
}
std::string Spoilt(std::string number) {
  number.back() = number.back() == '9' ? '0' : static_cast<char>(number.back() + 1);
  return number;
}

// A capture and the masker that feeds it.
struct Rig {
  explicit Rig(Rules rules = Standard()) {
    auto opened = Capture::Open({"ten_a", "cap_a", "ses_a"}, std::move(rules), random, now());
    REQUIRE(opened.ok());
    capture = std::move(*opened);
    REQUIRE(capture->BeginEpoch(epoch, now()).ok());
  }
  static Rules Standard() {
    Rules rules;
    rules.fields = {{Field::kPan}, {Field::kExpiry}, {Field::kSecurityCode}};
    return rules;
  }
  Moment now() const { return {clock.Now(), clock.MonotonicNanos()}; }

  std::string Seal(char symbol, uint32_t with_epoch, uint64_t with_ordinal, uint32_t onset) {
    auto secret = secret::Secret<char>::Create();
    secret->Update(kTest) = symbol;
    return *crypto::SealKeyPress(random, capture->public_key(), {"ten_a", "cap_a", with_epoch, with_ordinal, onset}, *secret);
  }
  absl::StatusOr<KeyOutcome> Send(uint64_t with_ordinal, const std::string& sealed) {
    return capture->TakeKey({epoch, with_ordinal, 160 * static_cast<uint32_t>(with_ordinal), sealed}, now());
  }
  absl::StatusOr<KeyOutcome> Press(char symbol) {
    ++ordinal;
    return Send(ordinal, Seal(symbol, epoch, ordinal, 160 * static_cast<uint32_t>(ordinal)));
  }
  void Type(const std::string& text) {
    for (char symbol : text) {
      clock.Advance(absl::Milliseconds(250));
      REQUIRE(Press(symbol).ok());
    }
  }
  void Wait(absl::Duration time) {
    for (absl::Duration left = time; left > absl::ZeroDuration(); left -= absl::Milliseconds(100)) {
      clock.Advance(absl::Milliseconds(100));
      capture->Tick(now());
    }
  }
  FieldProgress Of(Field field) const {
    for (const auto& each : capture->progress().fields) {
      if (each.field == field) return each;
    }
    return {};
  }
  Progress progress() const { return capture->progress(); }

  testing::FakeClock clock;
  testing::SeededRandom random{42};
  std::unique_ptr<Capture> capture;
  uint32_t epoch = 1;
  uint64_t ordinal = 0;
};

std::string CodeOf(const absl::Status& status) {
  const auto detail = DetailOf(status);
  return detail.has_value() ? detail->code : "";
}

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

TEST_CASE("a new number of another brand clears a code of the wrong length") {
  Rig rig;
  rig.Type(Number("51", 16) + "1230" + "123");
  REQUIRE(rig.capture->RestartField(Field::kPan, 16, rig.now()).ok());
  rig.Type(Number("37", 15));
  CHECK(rig.progress().current == Field::kSecurityCode);
  CHECK(rig.Of(Field::kSecurityCode).count == 0);
  CHECK(rig.Of(Field::kSecurityCode).problem == Problem::kTooShort);
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

TEST_CASE("a repeated key is acknowledged again and changes nothing") {
  Rig rig;
  rig.Type("51");
  const uint64_t revision = rig.capture->revision();
  const std::string sealed = rig.Seal('1', 1, 2, 320);
  const auto again = rig.Send(2, sealed);
  REQUIRE(again.ok());
  CHECK(again->arrival == Arrival::kRepeat);
  CHECK_FALSE(again->taken);
  CHECK(again->next_ordinal == 3);
  CHECK(rig.capture->revision() == revision);
  CHECK(rig.Of(Field::kPan).count == 2);
}

TEST_CASE("a swapped, replayed or altered key is refused, and the right one still counts") {
  Rig rig;
  rig.Type("51");
  SECTION("the message of ordinal 4 sent as 3") {
    CHECK(CodeOf(rig.Send(3, rig.Seal('9', 1, 4, 480)).status()) == "key_not_authentic");
  }
  SECTION("the message of ordinal 2 replayed as 3") {
    CHECK(CodeOf(rig.Send(3, rig.Seal('1', 1, 2, 480)).status()) == "key_not_authentic");
  }
  SECTION("another onset") { CHECK(CodeOf(rig.Send(3, rig.Seal('9', 1, 3, 481)).status()) == "key_not_authentic"); }
  SECTION("one bit") {
    std::string sealed = rig.Seal('9', 1, 3, 480);
    sealed[40] = static_cast<char>(sealed[40] ^ 1);
    CHECK(CodeOf(rig.Send(3, sealed).status()) == "key_not_authentic");
  }
  SECTION("another capture's key") {
    Rig other;
    auto secret = secret::Secret<char>::Create();
    secret->Update(kTest) = '9';
    testing::SeededRandom random(77);
    auto elsewhere = Capture::Open({"ten_a", "cap_b", "ses_a"}, Rig::Standard(), random, rig.now());
    const auto sealed = crypto::SealKeyPress(random, (*elsewhere)->public_key(), {"ten_a", "cap_a", 1, 3, 480}, *secret);
    CHECK(CodeOf(rig.Send(3, *sealed).status()) == "key_not_authentic");
  }
  CHECK(rig.Of(Field::kPan).count == 2);
  rig.Type("4");
  CHECK(rig.Of(Field::kPan).count == 3);
}

TEST_CASE("a gap restarts the field, and keys count again only after two quiet seconds") {
  Rig rig;
  const std::string pan = Number("51", 16);
  rig.Type(pan.substr(0, 4));
  ++rig.ordinal;  // lost on the way
  rig.Type(pan.substr(5, 1));
  CHECK(rig.Of(Field::kPan).count == 0);
  CHECK(rig.Of(Field::kPan).problem == Problem::kKeyLost);
  rig.Type(pan.substr(6));  // the rest of the same typing
  CHECK(rig.Of(Field::kPan).count == 0);
  CHECK(rig.Of(Field::kPan).problem == Problem::kKeyLost);
  CHECK(rig.progress().extra_keys == 11);
  rig.Wait(absl::Seconds(2));
  rig.Type(pan);
  CHECK(rig.Of(Field::kPan).state == FieldState::kComplete);
  CHECK(rig.progress().card_tries_used == 1);
}

TEST_CASE("after a gap the caller's * or the agent's restart makes keys count at once") {
  for (bool by_agent : {false, true}) {
    Rig rig;
    rig.Type("511");
    ++rig.ordinal;
    rig.Type("1");
    if (by_agent) {
      REQUIRE(rig.capture->RestartField(Field::kPan, 0, rig.now()).ok());
    } else {
      rig.Type("*");
    }
    rig.Type("52");
    CHECK(rig.Of(Field::kPan).count == 2);
  }
}

TEST_CASE("reordered keys cannot swap digits: the later one restarts the field, the earlier is a repeat") {
  Rig rig;
  rig.Type("51");
  CHECK(rig.Send(4, rig.Seal('4', 1, 4, 640))->arrival == Arrival::kGap);
  CHECK(rig.Send(3, rig.Seal('3', 1, 3, 480))->arrival == Arrival::kRepeat);
  CHECK(rig.Of(Field::kPan).count == 0);
  CHECK(rig.Of(Field::kPan).problem == Problem::kKeyLost);
}

TEST_CASE("a masker that takes over restarts the field; the older one is ignored from then on") {
  Rig rig;
  rig.Type("5112");
  REQUIRE(rig.capture->BeginEpoch(2, rig.now()).ok());
  CHECK(rig.Of(Field::kPan).count == 0);
  CHECK(rig.Of(Field::kPan).problem == Problem::kMaskerChanged);
  CHECK(CodeOf(rig.Press('3').status()) == "epoch_stale");
  CHECK(CodeOf(rig.capture->BeginEpoch(1, rig.now()).status()) == "epoch_stale");
  rig.epoch = 2;
  rig.ordinal = 0;
  rig.Wait(absl::Seconds(2));
  rig.Type(Number("51", 16));
  CHECK(rig.Of(Field::kPan).state == FieldState::kComplete);
  CHECK(rig.progress().card_tries_used == 1);
}

TEST_CASE("a take-over between two fields clears nothing, and the next keys count at once") {
  Rig rig;
  rig.Type(Number("51", 16));
  rig.epoch = 2;
  rig.ordinal = 0;
  REQUIRE(rig.capture->BeginEpoch(2, rig.now()).ok());
  CHECK(rig.Of(Field::kPan).state == FieldState::kComplete);
  rig.Type("12");
  CHECK(rig.Of(Field::kExpiry).count == 2);
}

TEST_CASE("an announcement repeated before its first key is answered again, not after") {
  Rig rig;
  CHECK(rig.capture->BeginEpoch(1, rig.now()).ok());
  rig.Type("5");
  CHECK(CodeOf(rig.capture->BeginEpoch(1, rig.now()).status()) == "epoch_stale");
  CHECK_FALSE(rig.capture->BeginEpoch(0, rig.now()).ok());
}

TEST_CASE("the first key of an epoch that is already lost restarts the field") {
  Rig rig;
  rig.ordinal = 1;
  rig.Type("1");
  CHECK(rig.Of(Field::kPan).problem == Problem::kKeyLost);
  CHECK(rig.Of(Field::kPan).count == 0);
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
