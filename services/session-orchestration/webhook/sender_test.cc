// What the sender does with deliveries: signed, once, again, given up.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "services/session-orchestration/replica/replica.h"
#include "services/session-orchestration/webhook/sender_fixture.h"

namespace flattone::session {
namespace {

using testing::Hooks;
using testing::Receiver;
using storage::Transaction;

// A resolver that knows well.example, and hangs over everything else.
struct Names {
  std::unique_ptr<http::HttpClient> Client(const std::string& ca_file) {
    http::ClientOptions options;
    options.ca_file = ca_file;
    options.helper_threads = SenderOptions().in_flight;
    options.resolve = [this](const std::string& host) -> absl::StatusOr<std::vector<http::IpAddress>> {
      if (host == "well.example") return std::vector<http::IpAddress>{http::IpAddress::Parse("127.0.0.1").value()};
      std::unique_lock<std::mutex> lock(mutex);
      changed.wait(lock, [this] { return released; });
      return absl::UnavailableError("nobody answers");
    };
    return std::make_unique<http::HttpClient>(options);
  }
  void Release() {
    std::lock_guard<std::mutex> lock(mutex);
    released = true;
    changed.notify_all();
  }
  std::mutex mutex;
  std::condition_variable changed;
  bool released = false;
};

TEST_CASE("a delivery arrives signed, once, and is marked", "[webhook]") {
  const auto backend = GENERATE(from_range(storage::testing::Backends()));
  Hooks f(backend);
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
  Hooks f(backend);
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
  Hooks f;
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
  Hooks f;
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
  Hooks f;
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
  f.receiver.Release();
  while (!delivered(stuck)) std::this_thread::yield();
  sender->Stop();
  CHECK(f.Seen() == 4);
}

TEST_CASE("the endpoints of one tenant that hang hold up no other tenant", "[webhook]") {
  Hooks f;
  Receiver well(f.pki);
  for (int i = 0; i < 8; ++i) f.Create(f.receiver.Url("/stuck"));
  f.Create(well.Url(), {"ten_b", 1});
  for (int i = 1; i <= 8; ++i) f.Event(i);
  f.clock.Advance(absl::Seconds(1));  // younger than all the others
  f.Event(9, "payment.captured", "ten_b");
  auto sender = f.NewSender({.owner = "one", .in_flight = 64});
  sender->Start();
  CHECK(well.Asked());
  f.receiver.Release();
  sender->Stop();
}

TEST_CASE("names of one tenant that nobody resolves hold up no other tenant", "[webhook]") {
  Names names;
  Hooks f;
  f.client = names.Client(f.pki.ca_file());
  for (int i = 0; i < 8; ++i) f.Create("https://nobody-" + std::to_string(i) + ".example/");
  f.Create("https://well.example:" + std::to_string(f.receiver.server->port()) + "/", {"ten_b", 1});
  for (int i = 1; i <= 8; ++i) f.Event(i);
  f.clock.Advance(absl::Seconds(1));
  f.Event(9, "payment.captured", "ten_b");
  auto sender = f.NewSender();
  sender->Start();
  CHECK(f.receiver.Asked());
  names.Release();
  sender->Stop();
}

TEST_CASE("an endpoint has a bounded number of requests under way; the rest goes when there is room", "[webhook]") {
  Hooks f;
  const v1::WebhookEndpoint endpoint = f.Create(f.receiver.Url());
  for (int i = 1; i <= 5; ++i) f.Event(i);
  auto sender = f.NewSender({.owner = "one", .per_endpoint = 2});
  for (const int sent : {2, 2, 1, 0}) CHECK(sender->Round() == sent);
  for (const auto& delivery : f.Deliveries(endpoint.id())) CHECK(delivery.attempts() == 1);
}

TEST_CASE("410 disables the endpoint; enabled again, what waited goes out", "[webhook]") {
  Hooks f;
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
  Hooks f;
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
  Hooks f;
  const v1::WebhookEndpoint endpoint = f.Create(f.receiver.Url());
  f.policy = std::make_shared<http::AddressPolicy>(http::AddressPolicy::PublicOnly({}));
  f.Event(1);
  f.NewSender()->Round();
  CHECK(f.receiver.server->counters().connections == 0);
  CHECK(f.Deliveries(endpoint.id()).at(0).last_error() == "address not allowed");
}

TEST_CASE("a sender that died leaves its claims to the lease, or to itself when it is back", "[webhook]") {
  Hooks f;
  const v1::WebhookEndpoint endpoint = f.Create(f.receiver.Url());
  f.Event(1);
  const std::string one = TakeReplica(*f.db, "orc-1", f.clock.Now()).value();
  REQUIRE(f.Run([&](Transaction& tx) { return ClaimDeliveries(tx, one, f.clock.Now(), absl::Seconds(60), {.deliveries = 9, .per_endpoint = 9, .per_tenant = 9}).status(); }).ok());
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

}  // namespace
}  // namespace flattone::session
