#include "services/session-orchestration/webhook/delivery_store.h"

#include <algorithm>

#include "libs/storage/scratch.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"
#include "services/session-orchestration/schema/schema.h"

namespace flattone::session {
namespace {

using storage::Transaction;

struct Fixture {
  explicit Fixture(storage::testing::Backend backend) : scratch(backend) {
    db = std::move(storage::Database::Open(scratch.url(), {})).value();
    REQUIRE(storage::Migrate(*db, Migrations()).ok());
    Endpoint("whe_1", "ten_a", 1, "");
    Endpoint("whe_2", "ten_a", 1, "session.*");
    Endpoint("whe_3", "ten_a", 2, "");
    Endpoint("whe_4", "ten_b", 1, "");
  }
  void Run(const storage::Database::Work& work) {
    const absl::Status done = db->Write(work);
    INFO(done);
    REQUIRE(done.ok());
  }
  void Endpoint(const std::string& id, const std::string& tenant, int mode, const std::string& types) {
    Run([&](Transaction& tx) {
      return tx.Execute("INSERT INTO webhook_endpoint VALUES ($1, $2, $3, 'https://x', $4, '', 0, '', 0, $5, $6, 0, $7, '', 0, 0, 1)",
                        {id, tenant, mode, types, storage::Blob{"s"}, storage::Blob{""}, storage::Blob{"k"}}).status();
    });
  }
  void Event(int number, const std::string& type, const std::string& tenant = "ten_a") {
    Run([&](Transaction& tx) -> absl::Status {
      const std::string id = "evt_" + std::to_string(number);
      auto done = tx.Execute("INSERT INTO event VALUES ($1, 1, $2, $3, 'ses_1', $4, $5, 1, $6)", {tenant, number, id, number, type, storage::Blob{"body"}});
      if (!done.ok()) return done.status();
      return EnqueueDeliveries(tx, random, {id, type, tenant, 1, absl::ToUnixMicros(clock.Now())});
    });
  }
  std::vector<ClaimedDelivery> Claim(const std::string& owner,
                                     const SenderRoom& room = {.deliveries = 10, .per_endpoint = 10, .per_tenant = 10}) {
    std::vector<ClaimedDelivery> out;
    Run([&](Transaction& tx) -> absl::Status {
      auto claimed = ClaimDeliveries(tx, owner, clock.Now(), absl::Seconds(30), room);
      if (!claimed.ok()) return claimed.status();
      out = *claimed;
      return absl::OkStatus();
    });
    return out;
  }
  storage::testing::ScratchDatabase scratch;
  std::unique_ptr<storage::Database> db;
  testing::FakeClock clock;
  testing::SeededRandom random{7};
};

TEST_CASE("an endpoint's wishes decide what it gets") {
  CHECK(Wants("", "payment.captured"));
  CHECK(Wants("", "session.ended"));
  CHECK(!Wants("", "session.progress"));
  CHECK(Wants("session.*,payment.captured", "payment.captured"));
  CHECK(!Wants("payment.captured", "payment.capture"));
  CHECK(!Wants("payment.*", "payments.x"));
}

TEST_CASE("deliveries are numbered per endpoint, leased once and come back when the sender dies") {
  const auto backend = GENERATE(from_range(storage::testing::Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  f.Event(1, "session.created");
  f.Event(2, "payment.captured");
  f.Event(3, "session.ended");
  const auto first = f.Claim("one");
  REQUIRE(first.size() == 4);  // whe_1: 2, 3; whe_2: 1, 3; none for the other mode or tenant
  for (const auto& d : first) {
    CHECK(d.event_body == "body");
    if (d.endpoint_id == "whe_1") CHECK(d.endpoint_sequence == (d.event_id == "evt_2" ? 1 : 2));
    if (d.endpoint_id == "whe_2") CHECK(d.endpoint_sequence == (d.event_id == "evt_1" ? 1 : 2));
  }
  CHECK(f.Claim("two").empty());
  f.clock.Advance(absl::Seconds(31));
  const auto again = f.Claim("two");
  CHECK(again.size() == 4);
  CHECK(f.db->Write([&](Transaction& tx) { return MarkDelivered(tx, "one", first[0], 200, f.clock.Now()); }).code() == absl::StatusCode::kAborted);
  f.Run([&](Transaction& tx) { return MarkDelivered(tx, "two", again[0], 200, f.clock.Now()); });
  f.Run([&](Transaction& tx) { return MarkRetry(tx, "two", again[1], {500, ""}, f.clock.Now() + absl::Seconds(5), f.clock.Now()); });
  f.Run([&](Transaction& tx) { return MarkFailed(tx, "two", again[2], {0, "timeout"}, f.clock.Now()); });
  CHECK(f.Claim("three").empty());
  f.clock.Advance(absl::Seconds(6));
  const auto retried = f.Claim("three");
  REQUIRE(retried.size() == 1);
  CHECK(retried[0].id == again[1].id);
  CHECK(retried[0].attempts == 1);
  CHECK(retried[0].failing_since_us != 0);
}

TEST_CASE("an endpoint that has enough under way takes no place from others, and its deliveries stay due") {
  const auto backend = GENERATE(from_range(storage::testing::Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  f.Endpoint("whe_0", "ten_a", 1, "payment.*");
  for (int i = 1; i <= 6; ++i) f.Event(i, "payment.captured");  // six for whe_0, six for whe_1
  const auto count = [](const std::vector<ClaimedDelivery>& claimed, const std::string& endpoint) {
    return std::count_if(claimed.begin(), claimed.end(), [&](const auto& d) { return d.endpoint_id == endpoint; });
  };
  const auto first = f.Claim("one", {.deliveries = 20, .per_endpoint = 2, .per_tenant = 20});
  CHECK(count(first, "whe_0") == 2);
  CHECK(count(first, "whe_1") == 2);
  // Four of whe_0 are the oldest that are due; they must not fill the three places.
  const auto second = f.Claim("one", {.deliveries = 3, .per_endpoint = 3, .per_tenant = 20, .under_way = {{"whe_0", 3}}});
  CHECK(count(second, "whe_0") == 0);
  CHECK(count(second, "whe_1") == 3);
  // What was left is due at once, for any sender.
  CHECK(count(f.Claim("two"), "whe_0") == 4);
}

TEST_CASE("a secret that was rotated out before old secrets had a table of their own signs on until its day is over") {
  const auto backend = GENERATE(from_range(storage::testing::Backends()));
  CAPTURE(backend);
  storage::testing::ScratchDatabase scratch(backend);
  auto db = std::move(storage::Database::Open(scratch.url(), {})).value();
  const std::span<const storage::Migration> all = Migrations();
  const auto table = std::find_if(all.begin(), all.end(), [](const auto& step) { return step.name == "old webhook secrets"; });
  REQUIRE(storage::Migrate(*db, all.first(static_cast<size_t>(table - all.begin()))).ok());
  const auto put = [&](const std::string& id, const std::string& old, int64_t until_us) {
    REQUIRE(db->Write([&](Transaction& tx) {
              return tx.Execute("INSERT INTO webhook_endpoint VALUES ($1, 'ten_a', 1, 'https://x', '', '', 0, '', 0, $2, $3, $4, $5, '', 0, 0, 1)",
                                {id, storage::Blob{"new"}, storage::Blob{old}, until_us, storage::Blob{"k"}}).status();
            }).ok());
  };
  put("whe_1", "old", 7);
  put("whe_2", "", 0);
  REQUIRE(storage::Migrate(*db, all).ok());
  REQUIRE(db->Read([](Transaction& tx) -> absl::Status {
            auto rows = tx.Query("SELECT * FROM webhook_old_secret");
            REQUIRE(rows.ok());
            REQUIRE(rows->size() == 1);
            CHECK(rows->front().Text("endpoint_id") == "whe_1");
            CHECK(rows->front().Bytes("secret") == "old");
            CHECK(rows->front().Int("until_us") == 7);
            return absl::OkStatus();
          }).ok());
}

TEST_CASE("a tenant that has enough under way takes no place from others, however many endpoints it has") {
  const auto backend = GENERATE(from_range(storage::testing::Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  f.Endpoint("whe_0", "ten_a", 1, "payment.*");
  for (int i = 1; i <= 6; ++i) f.Event(i, "payment.captured");  // twelve of ten_a, older than the one of ten_b
  f.clock.Advance(absl::Seconds(1));
  f.Event(7, "payment.captured", "ten_b");
  const auto count = [](const std::vector<ClaimedDelivery>& claimed, const std::string& tenant) {
    return std::count_if(claimed.begin(), claimed.end(), [&](const auto& d) { return d.tenant_id == tenant; });
  };
  CHECK(count(f.Claim("one", {.deliveries = 12, .per_endpoint = 9, .per_tenant = 5}), "ten_a") == 5);
  // Seven of ten_a are the oldest that are due; they must not fill the places.
  const auto second = f.Claim("one", {.deliveries = 4, .per_endpoint = 9, .per_tenant = 5, .of_tenant = {{"ten_a", 5}}});
  REQUIRE(second.size() == 1);
  CHECK(second[0].tenant_id == "ten_b");
}

TEST_CASE("a delivery that goes well ends an endpoint's row of failures, however old its claim is") {
  const auto backend = GENERATE(from_range(storage::testing::Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  f.Event(1, "payment.captured");
  f.Event(2, "payment.captured");
  const auto claimed = f.Claim("one");
  REQUIRE(claimed.size() == 2);
  f.Run([&](Transaction& tx) { return MarkRetry(tx, "one", claimed[0], {500, ""}, f.clock.Now() + absl::Seconds(5), f.clock.Now()); });
  f.Run([&](Transaction& tx) { return MarkDelivered(tx, "one", claimed[1], 200, f.clock.Now()); });
  f.Event(3, "payment.captured");
  const auto later = f.Claim("one");
  REQUIRE(later.size() == 1);
  CHECK(later[0].failing_since_us == 0);
  // Nor does a verdict from before that delivery give the endpoint up.
  f.Run([&](Transaction& tx) { return DisableEndpoint(tx, "ten_a", "whe_1", "failing"); });
  f.Event(4, "payment.captured");
  CHECK(f.Claim("one").size() == 1);
}

TEST_CASE("a disabled endpoint gets nothing new; replay sends the same ids again") {
  const auto backend = GENERATE(from_range(storage::testing::Backends()));
  CAPTURE(backend);
  Fixture f(backend);
  f.Event(1, "payment.captured");
  const auto first = f.Claim("one");
  REQUIRE(first.size() == 1);
  f.Run([&](Transaction& tx) { return MarkDelivered(tx, "one", first[0], 200, f.clock.Now()); });
  f.Run([&](Transaction& tx) -> absl::Status {
    auto none = ReplayDeliveries(tx, "ten_b", "whe_1", 1, 9, f.clock.Now());
    auto one = ReplayDeliveries(tx, "ten_a", "whe_1", 1, 9, f.clock.Now());
    CHECK(none.value() == 0);
    CHECK(one.value() == 1);
    return absl::OkStatus();
  });
  CHECK(f.Claim("one")[0].id == first[0].id);
  f.Run([&](Transaction& tx) { return DisableEndpoint(tx, "ten_a", "whe_1", "gone"); });
  f.Event(2, "payment.captured");
  f.clock.Advance(absl::Seconds(60));
  CHECK(f.Claim("one").empty());
}

}  // namespace
}  // namespace flattone::session
