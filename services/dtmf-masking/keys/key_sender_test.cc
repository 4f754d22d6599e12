#include "services/dtmf-masking/keys/key_sender.h"

#include <string>
#include <utility>
#include <vector>

#include "libs/crypto/capture_key.h"
#include "libs/secret/secret.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"

namespace flattone::masking {
namespace {

// A vault that answers when the test says so.
class HandVault final : public VaultLink {
 public:
  void GetCaptureKey(const CaptureRef&, absl::Duration, KeyDone done) override {
    ++opens;
    open_done = std::move(done);
  }
  void SubmitKey(const CaptureRef&, const SealedKey& key, absl::Duration, SubmitDone done) override {
    CHECK_FALSE(submit_done);  // one at a time
    sent.push_back(key);
    submit_done = std::move(done);
  }
  void After(absl::Duration delay, std::function<void()> run) override { timers.push_back({delay, std::move(run)}); }

  void Answer(const absl::Status& status) { std::exchange(submit_done, nullptr)(status); }
  void FireTimer(testing::FakeClock& clock) {
    REQUIRE_FALSE(timers.empty());
    auto [delay, run] = std::move(timers.front());
    timers.erase(timers.begin());
    clock.Advance(delay);
    run();
  }
  int opens = 0;
  KeyDone open_done;
  SubmitDone submit_done;
  std::vector<SealedKey> sent;
  std::vector<std::pair<absl::Duration, std::function<void()>>> timers;
};

struct Fixture {
  Fixture() {
    sender = KeySender::Create({"ten_a", "cap_b", 7, ""}, {}, {std::shared_ptr<void>(), &vault}, random, clock,
                               {.opened = [this](const absl::Status& s) { opened.push_back(s); },
                                .delivered = [this](uint32_t onset, absl::Duration) { delivered.push_back(onset); },
                                .lost = [this](uint32_t onset, const absl::Status&) { lost.push_back(onset); }});
  }
  void Open(uint64_t first = 1) {
    sender->Open();
    const auto& key = pair->public_key();
    std::exchange(vault.open_done, nullptr)(absl::OkStatus(), {std::string(key.begin(), key.end()), first});
  }
  // What the vault reads in message `i`; 0 when it does not open.
  char Read(size_t i, uint64_t ordinal, uint32_t onset, std::string capture = "cap_b") {
    const auto symbol = crypto::OpenKeyPress(*pair, {"ten_a", capture, 7, ordinal, onset}, vault.sent[i].sealed);
    return symbol.ok() ? symbol->Reveal(secret::ClearCardAccess("a test reads what it sent")) : '\0';
  }
  testing::FakeClock clock;
  testing::SeededRandom random{5};
  HandVault vault;
  absl::StatusOr<crypto::X25519KeyPair> pair = crypto::X25519KeyPair::Create(random);
  std::vector<absl::Status> opened;
  std::vector<uint32_t> delivered, lost;
  std::shared_ptr<KeySender> sender;
};

TEST_CASE("keys pressed while the capture's key is fetched wait locked, a few, and leave in order; the gap stays") {
  Fixture f;
  f.sender->Open();
  for (uint32_t i = 0; i < 10; ++i) f.sender->Send("5", i);
  CHECK(f.lost == std::vector<uint32_t>{8, 9});
  CHECK(f.vault.sent.empty());
  const auto& key = f.pair->public_key();
  std::exchange(f.vault.open_done, nullptr)(absl::OkStatus(), {std::string(key.begin(), key.end()), 3});
  f.sender->Send("6", 10);
  for (size_t i = 0; i < 8; ++i) {
    CHECK(f.Read(i, 3 + i, static_cast<uint32_t>(i)) == '5');
    f.vault.Answer(absl::OkStatus());
  }
  CHECK(f.Read(8, 3 + 10, 10) == '6');  // two ordinals are missing
}

TEST_CASE("keys that waited for a capture's key that never comes are told as lost") {
  Fixture f;
  f.sender->Open();
  f.sender->Send("5", 1);
  std::exchange(f.vault.open_done, nullptr)(absl::NotFoundError("no such capture"), {});
  CHECK(f.lost == std::vector<uint32_t>{1});
  f.sender->Send("5", 2);
  CHECK(f.lost == std::vector<uint32_t>{1, 2});
  CHECK(f.vault.sent.empty());
}

TEST_CASE("keys arrive sealed, bound to their place, one after the other") {
  Fixture f;
  f.Open();
  REQUIRE(f.opened.size() == 1);
  CHECK(f.opened[0].ok());
  f.sender->Send("4", 100);
  f.sender->Send("2", 900);
  REQUIRE(f.vault.sent.size() == 1);
  CHECK(f.Read(0, 1, 100) == '4');
  CHECK(f.Read(0, 2, 100) == '\0');
  CHECK(f.Read(0, 1, 101) == '\0');
  CHECK(f.Read(0, 1, 100, "cap_other") == '\0');
  f.vault.Answer(absl::OkStatus());
  REQUIRE(f.vault.sent.size() == 2);
  CHECK(f.Read(1, 2, 900) == '2');
  f.vault.Answer(absl::OkStatus());
  CHECK(f.delivered == std::vector<uint32_t>{100, 900});
  CHECK(f.sender->idle());
}

TEST_CASE("the vault says where the numbering begins") {
  Fixture f;
  f.Open(17);
  f.sender->Send("4", 100);
  CHECK(f.vault.sent[0].ordinal == 17);
}

TEST_CASE("a vault that is away is asked again, with the same message, later keys wait") {
  Fixture f;
  f.Open();
  f.sender->Send("4", 100);
  f.sender->Send("2", 900);
  for (int i = 0; i < 3; ++i) {
    f.vault.Answer(absl::UnavailableError("away"));
    f.vault.FireTimer(f.clock);
  }
  REQUIRE(f.vault.sent.size() == 4);
  CHECK(f.vault.sent[3].ordinal == 1);
  CHECK(f.vault.sent[3].sealed == f.vault.sent[0].sealed);
  f.vault.Answer(absl::OkStatus());
  f.vault.Answer(absl::OkStatus());
  CHECK(f.delivered == std::vector<uint32_t>{100, 900});
  CHECK(f.lost.empty());
}

TEST_CASE("after the bound a key is lost, the next one still goes out and shows the gap") {
  Fixture f;
  f.Open();
  f.sender->Send("4", 100);
  while (f.lost.empty()) {
    f.vault.Answer(absl::UnavailableError("away"));
    f.vault.FireTimer(f.clock);
  }
  CHECK(f.lost == std::vector<uint32_t>{100});
  CHECK(f.sender->idle());
  f.sender->Send("2", 900);
  CHECK(f.vault.sent.back().ordinal == 2);
}

TEST_CASE("a stale epoch or a capture that has gone ends the sending, not the leg") {
  Fixture f;
  f.Open();
  f.sender->Send("4", 100);
  f.sender->Send("2", 900);
  f.vault.Answer(absl::FailedPreconditionError("epoch_stale"));
  CHECK(f.lost == std::vector<uint32_t>{100, 900});
  f.sender->Send("2", 1900);
  CHECK(f.lost.size() == 3);
  CHECK(f.vault.sent.size() == 1);
}

TEST_CASE("one message that is not authentic does not stop the others") {
  Fixture f;
  f.Open();
  f.sender->Send("4", 100);
  f.sender->Send("2", 900);
  f.vault.Answer(absl::InvalidArgumentError("key_not_authentic"));
  CHECK(f.lost == std::vector<uint32_t>{100});
  CHECK(f.vault.sent.back().ordinal == 2);
}

TEST_CASE("the queue is bounded") {
  Fixture f;
  f.Open();
  for (uint32_t i = 0; i < 70; ++i) f.sender->Send("1", i);
  CHECK(f.lost.size() == 6);
}

TEST_CASE("opening is tried again for a while; a refusal is final; a key that is no point is refused") {
  Fixture f;
  f.sender->Open();
  std::exchange(f.vault.open_done, nullptr)(absl::UnavailableError("away"), {});
  CHECK(f.opened.empty());
  f.vault.FireTimer(f.clock);
  CHECK(f.vault.opens == 2);
  std::exchange(f.vault.open_done, nullptr)(absl::NotFoundError("capture_lost"), {});
  REQUIRE(f.opened.size() == 1);
  CHECK(f.opened[0].code() == absl::StatusCode::kNotFound);
  Fixture g;
  g.sender->Open();
  std::exchange(g.vault.open_done, nullptr)(absl::OkStatus(), {"short", 1});
  CHECK_FALSE(g.opened[0].ok());
  Fixture h;
  h.sender->Open();
  for (int i = 0; i < 20 && h.opened.empty(); ++i) {
    std::exchange(h.vault.open_done, nullptr)(absl::UnavailableError("away"), {});
    if (h.opened.empty()) h.vault.FireTimer(h.clock);
  }
  REQUIRE(h.opened.size() == 1);
  CHECK(h.opened[0].code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("a leg that has gone still gets its last key delivered, in silence") {
  Fixture f;
  f.Open();
  f.sender->Send("4", 100);
  f.sender->Detach();
  std::weak_ptr<KeySender> watch = f.sender;
  f.sender.reset();
  CHECK_FALSE(watch.expired());
  f.vault.Answer(absl::UnavailableError("away"));
  f.vault.FireTimer(f.clock);
  f.vault.Answer(absl::OkStatus());
  CHECK(f.delivered.empty());
  CHECK(watch.expired());
}

}  // namespace
}  // namespace flattone::masking
