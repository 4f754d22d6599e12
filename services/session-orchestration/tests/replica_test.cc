// A replica that starts again under its name: former leases are its own at once, a predecessor that lives on is shut out.
#include <thread>

#include "services/session-orchestration/replica/replica.h"
#include "services/session-orchestration/tests/fixture.h"
#include "services/session-orchestration/webhook/delivery_store.h"
#include "services/session-orchestration/worker/watcher.h"

namespace flattone::session {
namespace {

using namespace flattone::session::testing;
using storage::testing::Backend;
using storage::testing::Backends;

struct Named : Fixture {
  explicit Named(Backend backend) : Fixture(backend) {
    REQUIRE(one->db->Write([&](storage::Transaction& tx) -> absl::Status {
      FT_TRY(tx.Execute("INSERT INTO webhook_endpoint VALUES ('whe_1', $1, 1, 'https://x', '', '', 0, '', 0, $2, $3, 0, $4, '', 0, 0, 1)",
                        {tenant, storage::Blob{"s"}, storage::Blob{""}, storage::Blob{"k"}}).status());
      FT_TRY(tx.Execute("INSERT INTO event VALUES ($1, 1, 1000, 'evt_1', '', 0, 'payment.captured', 1, $2)", {tenant, storage::Blob{"body"}}).status());
      return EnqueueDeliveries(tx, around.random, {"evt_1", "payment.captured", tenant, 1, absl::ToUnixMicros(around.clock.Now())});
    }).ok());
  }
  absl::StatusOr<std::string> Take(const std::string& id) { return TakeReplica(*one->db, id, around.clock.Now()); }
  absl::StatusOr<std::vector<ClaimedDelivery>> Claim(const std::string& owner) {
    std::vector<ClaimedDelivery> out;
    const absl::Status done = two->db->Write([&](storage::Transaction& tx) -> absl::Status {
      auto claimed = ClaimDeliveries(tx, owner, around.clock.Now(), absl::Seconds(60), {.deliveries = 10, .per_endpoint = 10, .per_tenant = 10});
      if (claimed.ok()) out = *claimed;
      return claimed.status();
    });
    if (!done.ok()) return done;
    return out;
  }
  absl::Status Mark(const std::string& owner, const ClaimedDelivery& delivery) {
    return one->db->Write([&](storage::Transaction& tx) { return MarkDelivered(tx, owner, delivery, 200, around.clock.Now()); });
  }
  std::pair<std::string, int64_t> OwnerOf(const std::string& session_id) {
    std::pair<std::string, int64_t> found;
    const std::string id = CaptureOf(session_id);
    REQUIRE(one->db->Read([&](storage::Transaction& tx) -> absl::Status {
      auto capture = LoadCapture(tx, tenant, id, Lock::kNo);
      if (capture.ok()) found = {capture->owner, capture->owner_until_us};
      return capture.status();
    }).ok());
    return found;
  }
};

TEST_CASE("a restarted replica has its webhooks back at once; what the old process still sends, it cannot mark") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Named f(backend);
  const std::string before = Must(f.Take("orc-1")), neighbour = Must(f.Take("orc-10"));
  CHECK(before == "orc-1/1");
  const auto claimed = Must(f.Claim(before));
  REQUIRE(claimed.size() == 1);
  CHECK(Must(f.Claim(neighbour)).empty());
  // Another name's start frees nothing, though it begins with the same letters.
  CHECK(Must(f.Take("orc-10")) == "orc-10/2");
  CHECK(Must(f.Claim("orc-10/2")).empty());
  const std::string after = Must(f.Take("orc-1"));
  CHECK(after == "orc-1/2");
  CHECK(CodeOf(f.Mark(before, claimed[0])) == "lease_lost");
  CHECK(CodeOf(f.Claim(before).status()) == "replica_replaced");
  const auto again = Must(f.Claim(after));
  REQUIRE(again.size() == 1);
  CHECK(again[0].id == claimed[0].id);
  CHECK(CodeOf(f.Mark(before, claimed[0])) == "lease_lost");
  CHECK(f.Mark(after, again[0]).ok());
  // An owner without a name has no successor.
  CHECK(f.Claim("orc_random").ok());
}

TEST_CASE("a restarted replica watches its captures at once; the old process renews none and starts none") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Named f(backend);
  const std::string before = Must(f.Take("orc-1"));
  Replica old(f.around, before);
  const std::string id = f.Create();
  v1::StartCaptureRequest start;
  start.set_session_id(id);
  Must(old.captures.Start(f.Next("Start"), start));
  CHECK(f.OwnerOf(id).first == before);
  Watcher zombie(old.domain, old.captures, old.log, 1, 10);
  REQUIRE(zombie.Tend().ok());
  CHECK(zombie.following() == 1);
  // Somebody else has to wait for the lease.
  Watcher other(f.two->domain, f.two->captures, f.two->log, 1, 10);
  REQUIRE(other.Tend().ok());
  CHECK(other.following() == 0);
  const std::string after = Must(f.Take("orc-1"));
  CHECK(f.OwnerOf(id) == std::pair<std::string, int64_t>{"", 0});
  CHECK(CodeOf(zombie.Tend()) == "replica_replaced");
  Replica fresh(f.around, after);
  Watcher watcher(fresh.domain, fresh.captures, fresh.log, 1, 10);
  REQUIRE(watcher.Tend().ok());
  CHECK(watcher.following() == 1);
  CHECK(f.OwnerOf(id).first == after);
  const std::string second = f.Create();
  start.set_session_id(second);
  CHECK(CodeOf(old.captures.Start(f.Next("Start"), start).status()) == "replica_replaced");
}

TEST_CASE("two starts at once under one name: two epochs, one of them in force") {
  const Backend backend = GENERATE(from_range(Backends()));
  CAPTURE(backend);
  Named f(backend);
  absl::StatusOr<std::string> first, second;
  std::thread other([&] { first = TakeReplica(*f.two->db, "orc-1", f.around.clock.Now()); });
  second = f.Take("orc-1");
  other.join();
  REQUIRE(first.ok());
  REQUIRE(second.ok());
  CHECK(*first != *second);
  CHECK(f.Claim(*first).ok() != f.Claim(*second).ok());
}

TEST_CASE("a name that cannot be one is refused") {
  CHECK(CheckReplicaId("orc-1.eu").ok());
  for (const std::string& bad : {std::string(), std::string("a/1"), std::string("Orc"), std::string("a b"), std::string(65, 'a')}) {
    CAPTURE(bad);
    CHECK(DetailOf(CheckReplicaId(bad))->field == "replica-id");
  }
}

}  // namespace
}  // namespace flattone::session
