#include "services/tokenisation-vault/capture/capture_rig.h"

namespace flattone::vault {
namespace {

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

}  // namespace
}  // namespace flattone::vault
