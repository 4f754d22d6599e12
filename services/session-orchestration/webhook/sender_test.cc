#include "services/session-orchestration/webhook/sender.h"

#include <atomic>
#include <filesystem>

#include "libs/crypto/file_key_store.h"
#include "libs/base/error.h"
#include "libs/http/server.h"
#include "libs/http/testing/pki.h"
#include "libs/storage/migrate.h"
#include "libs/storage/scratch.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"
#include "services/session-orchestration/replica/replica.h"
#include "services/session-orchestration/schema/schema.h"
#include "services/session-orchestration/webhook/endpoints.h"
#include "services/session-orchestration/webhook/signature.h"

namespace flattone::session {
namespace {

using storage::Transaction;

// A receiver over TLS on loopback that answers what it is told and remembers what came.
struct Receiver {
  explicit Receiver(http::testing::TestPki& pki) {
    auto files = pki.Issue("receiver", {"IP:127.0.0.1"});
    http::ServerOptions options;
    options.tls = {files.certificate, files.key};
    server = http::HttpServer::Start(options, [this](http::Request request, http::ResponseWriter writer) {
               std::unique_lock<std::mutex> lock(mutex);
               requests.push_back(request);
               arrived.notify_all();
               const int status = statuses.empty() ? 200 : statuses.front();
               if (!statuses.empty()) statuses.erase(statuses.begin());
               if (request.target == "/stuck") arrived.wait(lock, [this] { return released; });
               writer.Send({status, answer_headers, "receiver's secret words"});
             }).value();
  }
  ~Receiver() {
    {
      std::lock_guard<std::mutex> lock(mutex);
      released = true;
      arrived.notify_all();
    }
    server->Drain(absl::Seconds(1));
  }
  std::string Url(const std::string& path = "/hook") const { return "https://127.0.0.1:" + std::to_string(server->port()) + path; }

  std::mutex mutex;
  std::condition_variable arrived;
  bool released = false;
  std::vector<int> statuses;
  http::Headers answer_headers;
  std::vector<http::Request> requests;
  std::unique_ptr<http::HttpServer> server;
};

struct Fixture {
  explicit Fixture(storage::testing::Backend backend = storage::testing::Backend::kSqlite) : scratch(backend), receiver(pki) {
    key_file = pki.folder() + "/kek";
    REQUIRE(crypto::FileKeyStore::AddKey(key_file, SystemRandom()).ok());
    keys = crypto::FileKeyStore::Open(key_file, SystemRandom()).value();
    box = std::make_unique<SecretBox>(*keys);
    db = std::move(storage::Database::Open(scratch.url(), {})).value();
    REQUIRE(storage::Migrate(*db, Migrations()).ok());
    http::ClientOptions options;
    options.ca_file = pki.ca_file();
    client = std::make_unique<http::HttpClient>(options);
    endpoints = std::make_unique<Endpoints>(*box, SystemRandom(), loopback);
  }

  absl::Status Run(const storage::Database::Work& work) { return db->Write(work); }
  v1::WebhookEndpoint Create(const std::string& url) {
    v1::WebhookEndpoint out;
    const absl::Status status = Run([&](Transaction& tx) -> absl::Status {
      v1::CreateWebhookEndpointRequest request;
      request.mutable_endpoint()->set_url(url);
      auto created = endpoints->Create(tx, world, clock.Now(), request);
      if (!created.ok()) return created.status();
      out = *created;
      return absl::OkStatus();
    });
    INFO(status);
    REQUIRE(status.ok());
    return out;
  }
  void Event(int number, const std::string& type = "payment.captured") {
    v1::Event event;
    event.set_id("evt_" + std::to_string(number));
    event.set_type(type);
    event.mutable_payment()->set_id("pay_1");
    const absl::Status status = Run([&](Transaction& tx) -> absl::Status {
      auto done = tx.Execute("INSERT INTO event VALUES ('ten_a', 1, $1, $2, 'ses_1', $3, $4, 1, $5)",
                             {number, event.id(), number, type, storage::Blob{event.SerializeAsString()}});
      if (!done.ok()) return done.status();
      return EnqueueDeliveries(tx, SystemRandom(), {event.id(), type, "ten_a", 1, absl::ToUnixMicros(clock.Now())});
    });
    INFO(status);
    REQUIRE(status.ok());
  }
  std::vector<v1::WebhookDelivery> Deliveries(const std::string& endpoint) {
    std::vector<v1::WebhookDelivery> out;
    REQUIRE(Run([&](Transaction& tx) -> absl::Status {
      v1::ListWebhookDeliveriesRequest request;
      request.set_endpoint_id(endpoint);
      auto list = endpoints->ListDeliveries(tx, world, request);
      if (!list.ok()) return list.status();
      out.assign(list->deliveries().rbegin(), list->deliveries().rend());
      return absl::OkStatus();
    }).ok());
    return out;
  }
  v1::WebhookEndpoint Get(const std::string& id) {
    v1::WebhookEndpoint out;
    REQUIRE(Run([&](Transaction& tx) -> absl::Status {
      v1::GetWebhookEndpointRequest request;
      request.set_endpoint_id(id);
      auto got = endpoints->Get(tx, world, request);
      if (!got.ok()) return got.status();
      out = *got;
      return absl::OkStatus();
    }).ok());
    return out;
  }
  std::unique_ptr<Sender> NewSender(SenderOptions options = {.owner = "one"}) {
    return std::make_unique<Sender>(options, SenderParts{*db, *client, *box, clock, random, gates, registry, policy});
  }
  std::string SeenBody(size_t i) {
    std::lock_guard<std::mutex> lock(receiver.mutex);
    return receiver.requests.at(i).body;
  }
  std::string SeenHeader(size_t i, const char* name) {
    std::lock_guard<std::mutex> lock(receiver.mutex);
    return std::string(http::FindHeader(receiver.requests.at(i).headers, name).value_or(""));
  }
  size_t Seen() {
    std::lock_guard<std::mutex> lock(receiver.mutex);
    return receiver.requests.size();
  }

  const World world{"ten_a", 1};
  http::testing::TestPki pki;
  storage::testing::ScratchDatabase scratch;
  Receiver receiver;
  std::string key_file;
  std::unique_ptr<crypto::FileKeyStore> keys;
  std::unique_ptr<SecretBox> box;
  std::unique_ptr<storage::Database> db;
  std::unique_ptr<http::HttpClient> client;
  http::AddressPolicy loopback = http::AddressPolicy::PublicOnly({http::Cidr::Parse("127.0.0.1/32").value()});
  std::shared_ptr<const http::AddressPolicy> policy = std::make_shared<http::AddressPolicy>(loopback);
  std::unique_ptr<Endpoints> endpoints;
  testing::FakeClock clock;
  testing::SeededRandom random{9};
  Gates gates;
  obs::Registry registry;
};

}  // namespace

TEST_CASE("a delivery arrives signed, once, and is marked", "[webhook]") {
  const auto backend = GENERATE(from_range(storage::testing::Backends()));
  Fixture f(backend);
  const v1::WebhookEndpoint endpoint = f.Create(f.receiver.Url());
  CHECK(endpoint.secret().substr(0, 6) == "whsec_");
  CHECK(f.Get(endpoint.id()).secret().empty());
  f.Event(1);
  f.Event(2, "session.progress");  // not wanted
  f.Event(3);
  auto sender = f.NewSender();
  CHECK(sender->Round() == 2);
  CHECK(sender->Round() == 0);
  REQUIRE(f.Seen() == 2);
  const auto deliveries = f.Deliveries(endpoint.id());
  REQUIRE(deliveries.size() == 2);
  for (size_t i = 0; i < 2; ++i) {
    CHECK(deliveries[i].state() == v1::DELIVERY_STATE_DELIVERED);
    CHECK(deliveries[i].endpoint_sequence() == static_cast<int64_t>(i) + 1);
    CHECK(deliveries[i].last_status() == 200);
  }
  const std::string body = f.SeenBody(0);
  auto secret = ParseSecretText(endpoint.secret()).value();
  const crypto::SigningKey any = crypto::SigningKey::Create(f.random).value();
  const std::string expected =
      SignWebhook({&secret}, any, f.SeenHeader(0, "webhook-id"), absl::ToUnixSeconds(f.clock.Now()), body);
  CHECK(f.SeenHeader(0, "webhook-signature").substr(0, 47) == expected.substr(0, 47));
  CHECK(f.SeenHeader(0, "webhook-timestamp") == std::to_string(absl::ToUnixSeconds(f.clock.Now())));
}

TEST_CASE("two senders share the work and send nothing twice", "[webhook]") {
  const auto backend = GENERATE(from_range(storage::testing::Backends()));
  Fixture f(backend);
  f.Create(f.receiver.Url());
  for (int i = 1; i <= 20; ++i) f.Event(i);
  auto one = f.NewSender({.owner = "one", .in_flight = 4});
  auto two = f.NewSender({.owner = "two", .in_flight = 4});
  std::atomic<int> sent{0};
  auto work = [&](Sender& sender) {
    while (true) {
      const int count = sender.Round();
      if (count == 0) return;
      sent += count;
    }
  };
  std::thread other([&] { work(*two); });
  work(*one);
  other.join();
  while (sent < 20) work(*one);
  CHECK(sent == 20);
  std::set<std::string> ids;
  for (size_t i = 0; i < f.Seen(); ++i) ids.insert(f.SeenHeader(i, "webhook-id"));
  CHECK(f.Seen() == 20);
  CHECK(ids.size() == 20);
}

TEST_CASE("a refused delivery is tried again with the same id, number and body, and a new time", "[webhook]") {
  Fixture f;
  const v1::WebhookEndpoint endpoint = f.Create(f.receiver.Url());
  f.receiver.statuses = {500, 200};
  f.Event(1);
  auto sender = f.NewSender();
  CHECK(sender->Round() == 1);
  auto delivery = f.Deliveries(endpoint.id()).at(0);
  CHECK(delivery.state() == v1::DELIVERY_STATE_PENDING);
  CHECK(delivery.last_status() == 500);
  CHECK(delivery.attempts() == 1);
  CHECK(sender->Round() == 0);
  f.clock.Advance(absl::Seconds(7));
  CHECK(sender->Round() == 1);
  CHECK(f.Deliveries(endpoint.id()).at(0).state() == v1::DELIVERY_STATE_DELIVERED);
  CHECK(f.SeenHeader(0, "webhook-id") == f.SeenHeader(1, "webhook-id"));
  CHECK(f.SeenBody(0) == f.SeenBody(1));
  CHECK(f.SeenHeader(0, "webhook-timestamp") != f.SeenHeader(1, "webhook-timestamp"));
}

TEST_CASE("a redirect is not followed and the receiver's words are not kept", "[webhook]") {
  Fixture f;
  const v1::WebhookEndpoint endpoint = f.Create(f.receiver.Url());
  f.receiver.statuses = {302};
  f.receiver.answer_headers = {{"location", f.receiver.Url("/elsewhere")}};
  f.Event(1);
  f.NewSender()->Round();
  CHECK(f.Seen() == 1);
  const auto delivery = f.Deliveries(endpoint.id()).at(0);
  CHECK(delivery.last_error() == "redirects are not followed");
  CHECK(delivery.DebugString().find("secret words") == std::string::npos);
}

TEST_CASE("one stuck delivery holds up neither its endpoint's others nor other endpoints", "[webhook]") {
  Fixture f;
  const v1::WebhookEndpoint stuck = f.Create(f.receiver.Url("/stuck"));
  const v1::WebhookEndpoint well = f.Create(f.receiver.Url("/well"));
  f.Event(1);
  auto sender = f.NewSender({.owner = "one", .poll = absl::Milliseconds(5)});
  sender->Start();
  auto delivered = [&](const v1::WebhookEndpoint& endpoint) {
    const auto all = f.Deliveries(endpoint.id());
    return std::all_of(all.begin(), all.end(), [](const auto& d) { return d.state() == v1::DELIVERY_STATE_DELIVERED; });
  };
  while (!delivered(well)) std::this_thread::yield();
  f.Event(2);
  sender->Wake();
  while (!delivered(well)) std::this_thread::yield();
  CHECK(f.Deliveries(stuck.id()).at(0).state() == v1::DELIVERY_STATE_PENDING);
  {
    std::lock_guard<std::mutex> lock(f.receiver.mutex);
    f.receiver.released = true;
    f.receiver.arrived.notify_all();
  }
  while (!delivered(stuck)) std::this_thread::yield();
  sender->Stop();
  CHECK(f.Seen() == 4);
}

TEST_CASE("an endpoint has a bounded number of requests under way; the rest goes later", "[webhook]") {
  Fixture f;
  const v1::WebhookEndpoint endpoint = f.Create(f.receiver.Url());
  for (int i = 1; i <= 5; ++i) f.Event(i);
  auto sender = f.NewSender({.owner = "one", .per_endpoint = 2});
  CHECK(sender->Round() == 2);
  f.clock.Advance(absl::Seconds(2));
  CHECK(sender->Round() == 2);
  f.clock.Advance(absl::Seconds(2));
  CHECK(sender->Round() == 1);
  for (const auto& delivery : f.Deliveries(endpoint.id())) CHECK(delivery.attempts() == 1);
}

TEST_CASE("410 disables the endpoint; enabled again, what waited goes out", "[webhook]") {
  Fixture f;
  const v1::WebhookEndpoint endpoint = f.Create(f.receiver.Url());
  f.receiver.statuses = {410};
  f.Event(1);
  auto sender = f.NewSender();
  sender->Round();
  CHECK(f.Get(endpoint.id()).disabled_reason() == "gone");
  f.clock.Advance(absl::Hours(1));
  CHECK(sender->Round() == 0);
  REQUIRE(f.Run([&](Transaction& tx) -> absl::Status {
    v1::UpdateWebhookEndpointRequest request;
    request.set_endpoint_id(endpoint.id());
    request.mutable_endpoint()->set_url(endpoint.url());
    return f.endpoints->Update(tx, f.world, f.clock.Now(), request).status();
  }).ok());
  CHECK(f.Get(endpoint.id()).disabled_reason().empty());
  CHECK(sender->Round() == 1);
  CHECK(f.Deliveries(endpoint.id()).at(0).state() == v1::DELIVERY_STATE_DELIVERED);
}

TEST_CASE("five days of failure disable an endpoint", "[webhook]") {
  Fixture f;
  const v1::WebhookEndpoint endpoint = f.Create(f.receiver.Url());
  f.receiver.statuses = std::vector<int>(40, 500);
  auto sender = f.NewSender();
  for (int day = 0; day <= 6 && !f.Get(endpoint.id()).disabled(); ++day) {
    f.Event(day + 1);
    sender->Round();
    f.clock.Advance(absl::Hours(24));
  }
  CHECK(f.Get(endpoint.id()).disabled_reason() == "failing");
}

TEST_CASE("an address that is not allowed is never connected to", "[webhook]") {
  Fixture f;
  const v1::WebhookEndpoint endpoint = f.Create(f.receiver.Url());
  f.policy = std::make_shared<http::AddressPolicy>(http::AddressPolicy::PublicOnly({}));
  f.Event(1);
  f.NewSender()->Round();
  CHECK(f.receiver.server->counters().connections == 0);
  CHECK(f.Deliveries(endpoint.id()).at(0).last_error() == "address not allowed");
}

TEST_CASE("during a rotation both secrets sign, a day later only the new one", "[webhook]") {
  Fixture f;
  const v1::WebhookEndpoint endpoint = f.Create(f.receiver.Url());
  v1::WebhookEndpoint rotated;
  REQUIRE(f.Run([&](Transaction& tx) -> absl::Status {
    v1::RotateWebhookSecretRequest request;
    request.set_endpoint_id(endpoint.id());
    auto done = f.endpoints->RotateSecret(tx, f.world, f.clock.Now(), request);
    if (!done.ok()) return done.status();
    rotated = *done;
    return absl::OkStatus();
  }).ok());
  CHECK(rotated.secret() != endpoint.secret());
  auto signatures = [&](size_t i) {
    const std::string value = f.SeenHeader(i, "webhook-signature");
    return std::count(value.begin(), value.end(), ',');
  };
  auto sender = f.NewSender();
  f.Event(1);
  sender->Round();
  f.clock.Advance(absl::Hours(25));
  f.Event(2);
  sender->Round();
  CHECK(signatures(0) == 3);  // new, old, ed25519
  CHECK(signatures(1) == 2);
}

TEST_CASE("a sender that died leaves its claims to the lease, or to itself when it is back", "[webhook]") {
  Fixture f;
  const v1::WebhookEndpoint endpoint = f.Create(f.receiver.Url());
  f.Event(1);
  const std::string one = TakeReplica(*f.db, "orc-1", f.clock.Now()).value();
  REQUIRE(f.Run([&](Transaction& tx) { return ClaimDeliveries(tx, one, f.clock.Now(), absl::Seconds(60), 9).status(); }).ok());
  auto two = f.NewSender({.owner = "two"});
  CHECK(two->Round() == 0);
  SECTION("the lease ends") {
    f.clock.Advance(absl::Seconds(61));
    CHECK(two->Round() == 1);
  }
  SECTION("the owner is back") {
    auto again = f.NewSender({.owner = TakeReplica(*f.db, "orc-1", f.clock.Now()).value()});
    CHECK(f.NewSender({.owner = one})->Round() == 0);
    CHECK(again->Round() == 1);
  }
  CHECK(f.Deliveries(endpoint.id()).at(0).state() == v1::DELIVERY_STATE_DELIVERED);
  CHECK(f.Seen() == 1);
}

TEST_CASE("a range is replayed with its ids and numbers", "[webhook]") {
  Fixture f;
  const v1::WebhookEndpoint endpoint = f.Create(f.receiver.Url());
  for (int i = 1; i <= 3; ++i) f.Event(i);
  auto sender = f.NewSender();
  sender->Round();
  auto replay = [&](int64_t from, int64_t to) {
    int64_t scheduled = -1;
    const absl::Status status = f.Run([&](Transaction& tx) -> absl::Status {
      v1::ReplayWebhookDeliveriesRequest request;
      request.set_endpoint_id(endpoint.id());
      request.set_from_sequence(from);
      request.set_to_sequence(to);
      auto done = f.endpoints->Replay(tx, f.world, f.clock.Now(), request);
      if (!done.ok()) return done.status();
      scheduled = done->scheduled();
      return absl::OkStatus();
    });
    return scheduled;
  };
  CHECK(replay(2, 3) == 2);
  CHECK(sender->Round() == 2);
  CHECK(replay(0, 0) == -1);
  CHECK(replay(3, 2) == -1);
  std::set<std::string> ids;
  for (size_t i = 0; i < f.Seen(); ++i) ids.insert(f.SeenHeader(i, "webhook-id"));
  CHECK(f.Seen() == 5);
  CHECK(ids.size() == 3);
}

TEST_CASE("another tenant's or mode's endpoint does not exist", "[webhook]") {
  Fixture f;
  const v1::WebhookEndpoint endpoint = f.Create(f.receiver.Url());
  const World other = GENERATE(World{"ten_b", 1}, World{"ten_a", 2});
  auto code = [&](const storage::Database::Work& work) { return f.Run(work).code(); };
  v1::GetWebhookEndpointRequest get;
  get.set_endpoint_id(endpoint.id());
  v1::RotateWebhookSecretRequest rotate;
  rotate.set_endpoint_id(endpoint.id());
  v1::DeleteWebhookEndpointRequest remove;
  remove.set_endpoint_id(endpoint.id());
  v1::ListWebhookDeliveriesRequest list;
  list.set_endpoint_id(endpoint.id());
  CHECK(code([&](Transaction& tx) { return f.endpoints->Get(tx, other, get).status(); }) == absl::StatusCode::kNotFound);
  CHECK(code([&](Transaction& tx) { return f.endpoints->RotateSecret(tx, other, f.clock.Now(), rotate).status(); }) ==
        absl::StatusCode::kNotFound);
  CHECK(code([&](Transaction& tx) { return f.endpoints->Delete(tx, other, remove).status(); }) == absl::StatusCode::kNotFound);
  CHECK(code([&](Transaction& tx) { return f.endpoints->ListDeliveries(tx, other, list).status(); }) == absl::StatusCode::kNotFound);
  CHECK(f.Get(endpoint.id()).id() == endpoint.id());
}

TEST_CASE("wrong endpoints are refused by field", "[webhook]") {
  Fixture f;
  struct Row {
    const char* url;
    const char* type;
    const char* field;
  };
  const Row row = GENERATE(values<Row>({
      {"", "", "url"},
      {"http://example.com/", "", "url"},
      {"https://user@example.com/", "", "url"},
      {"https://10.0.0.1/", "", "url"},
      {"https://[::ffff:127.0.0.1]/", "", "url"},
      {"https://169.254.169.254/latest", "", "url"},
      {"https://example.com/", "payment.stolen", "event_types[0]"},
  }));
  CAPTURE(row.url, row.type);
  v1::CreateWebhookEndpointRequest request;
  request.mutable_endpoint()->set_url(row.url);
  if (*row.type != '\0') request.mutable_endpoint()->add_event_types(row.type);
  const absl::Status status =
      f.Run([&](Transaction& tx) { return f.endpoints->Create(tx, f.world, f.clock.Now(), request).status(); });
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  CHECK(DetailOf(status)->field == row.field);
}

TEST_CASE("lists go on where their token says, and a secret is never in the database in clear", "[webhook]") {
  Fixture f;
  std::vector<std::string> secrets;
  for (int i = 0; i < 3; ++i) {
    secrets.push_back(f.Create(f.receiver.Url("/" + std::to_string(i))).secret());
    if (i == 0) f.clock.Advance(absl::Seconds(1));  // two of the three at the same instant
  }
  std::set<std::string> seen;
  v1::ListWebhookEndpointsRequest request;
  request.set_page_size(1);
  for (int page = 0; page < 3; ++page) {
    REQUIRE(f.Run([&](Transaction& tx) -> absl::Status {
      auto list = f.endpoints->List(tx, f.world, request);
      if (!list.ok()) return list.status();
      CHECK(list->endpoints_size() == 1);
      seen.insert(list->endpoints(0).id());
      request.set_page_token(list->next_page_token());
      return absl::OkStatus();
    }).ok());
  }
  CHECK(seen.size() == 3);
  CHECK(request.page_token().empty());
  REQUIRE(f.Run([&](Transaction& tx) -> absl::Status {
    auto rows = tx.Query("SELECT secret FROM webhook_endpoint", {});
    if (!rows.ok()) return rows.status();
    for (const auto& row : *rows) {
      for (const std::string& text : secrets) {
        auto raw = ParseSecretText(text).value();
        CHECK(row.Bytes("secret").find(raw.RevealText(secret::ClearCardAccess("look for it in the row"))) == std::string::npos);
      }
    }
    return absl::OkStatus();
  }).ok());
}

}  // namespace flattone::session
