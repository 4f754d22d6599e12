// SIGTERM at the vault: what is wiped at once, what may still go out, and what is left at the end (docs/adr/0031).
#include <atomic>
#include <thread>

#include "services/tokenisation-vault/service/test_rig.h"

namespace flattone::vault {
namespace {

using storage::testing::Backend;

TEST_CASE("shutdown wipes a card that is typed or being typed at once, tells its watchers, and opens nothing") {
  World world(Backend::kSqlite);
  Node node(world, "127.0.0.1:1");
  auto typed = node.Open("cap_typed"), typing = node.Open("cap_typing");
  node.Type("cap_typed", kPan + "1230" "737");
  node.Type("cap_typing", kPan + "1230" "7");
  CaptureState told = CaptureState::kCollecting;
  typed->Watch([&] { told = typed->progress().state; });
  node.vault->Drain();
  CHECK(told == CaptureState::kCancelled);
  CHECK(typing->progress().state == CaptureState::kCancelled);
  CHECK(CodeOf(node.Tokenise("cap_typed").status()) == "capture_ended");
  CHECK(CodeOf(node.vault->captures().Open({"ten_a", "cap_new", "ses_a"}, Node::Standard()).status()) == "draining");
  node.vault->Tick();
  CHECK(node.vault->Idle());
}

TEST_CASE("shutdown leaves the code of a payment under way for one release, with which it goes") {
  World world(Backend::kSqlite);
  Node node(world, "127.0.0.1:1");
  const TokenRow row = node.Token("cap_1", kPan);
  node.vault->Drain();
  node.vault->Tick();
  REQUIRE(node.vault->codes().Has(row.token));
  CHECK_FALSE(node.vault->Idle());
  auto released = node.Release(row.token, true);
  REQUIRE(released.ok());
  CHECK(node.OpenSealed(row.token, *released)->Reveal(kTest).security_code_text() == "737");
  CHECK_FALSE(node.vault->codes().Has(row.token));
  CHECK(node.vault->Idle());
  CHECK(CodeOf(node.Release(row.token, true, "att_2").status()) == "security_code_gone");
}

TEST_CASE("shutdown wipes a code that the adapter has already") {
  World world(Backend::kSqlite);
  Node node(world, "127.0.0.1:1");
  const TokenRow row = node.Token("cap_1", kPan);
  REQUIRE(node.Release(row.token, true).ok());
  node.vault->Drain();
  CHECK_FALSE(node.vault->codes().Has(row.token));
  CHECK(node.metrics.Text().find("flattone_vault_codes_wiped_total{by=\"shutdown\"} 1") != std::string::npos);
}

// Tokenises `capture` on a thread that is stopped at its commit until `release`.
struct HeldTokenise {
  HeldTokenise(Node& node, const std::string& capture, absl::Status outcome) {
    node.writes.Set([this, outcome](storage::WritePoint point) {
      if (point != storage::WritePoint::kBegin) return absl::OkStatus();
      reached = true;
      while (!release) std::this_thread::yield();
      return outcome;
    });
    thread = std::thread([&node, capture, this] { row = node.Tokenise(capture); });
    while (!reached) std::this_thread::yield();
  }
  void Finish() {
    release = true;
    thread.join();
  }
  std::atomic<bool> reached{false}, release{false};
  absl::StatusOr<TokenRow> row = absl::UnknownError("not yet");
  std::thread thread;
};

TEST_CASE("a card that is being tokenised when shutdown begins is a payment under way") {
  World world(Backend::kSqlite);
  Node node(world, "127.0.0.1:1");
  node.Token("cap_0", kPan);  // the tenant's keys are made
  node.vault->codes().WipeAll();
  auto entry = node.Open("cap_1");
  node.Type("cap_1", kPan + "1230" "737");
  bool stored = GENERATE(true, false);
  HeldTokenise held(node, "cap_1", stored ? absl::OkStatus() : absl::UnavailableError("the database is away"));
  node.vault->Drain();
  node.vault->Tick();
  CHECK_FALSE(node.vault->Idle());
  held.Finish();
  CHECK(held.row.ok() == stored);
  // What could not be stored is not kept for another try.
  CHECK(entry->progress().state == (stored ? CaptureState::kTokenised : CaptureState::kCancelled));
  if (stored) CHECK(node.Release(held.row->token, true).ok());
  node.vault->Tick();
  CHECK(node.vault->Idle());
}

TEST_CASE("at the end everything goes, and a code that comes later is not kept") {
  World world(Backend::kSqlite);
  Node node(world, "127.0.0.1:1");
  const TokenRow row = node.Token("cap_0", kPan);
  auto entry = node.Open("cap_1");
  node.Type("cap_1", kPan + "1230" "737");
  HeldTokenise held(node, "cap_1", absl::OkStatus());
  node.vault->Drain();
  std::thread closing([&] { node.vault->Close(); });  // waits for the database behind the held commit
  while (node.vault->codes().Has(row.token)) std::this_thread::yield();
  held.Finish();
  closing.join();
  CHECK(node.vault->codes().size() == 0);
}

}  // namespace
}  // namespace flattone::vault
