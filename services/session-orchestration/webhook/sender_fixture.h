// What the tests of sender and endpoints stand on: a receiver over TLS on loopback, a database, a sender to be asked for.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "libs/base/error.h"
#include "libs/crypto/file_key_store.h"
#include "libs/http/server.h"
#include "libs/http/testing/pki.h"
#include "libs/storage/migrate.h"
#include "libs/storage/scratch.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"
#include "services/session-orchestration/schema/schema.h"
#include "services/session-orchestration/webhook/endpoints.h"
#include "services/session-orchestration/webhook/sender.h"
#include "services/session-orchestration/webhook/signature.h"

namespace flattone::session::testing {

using storage::Transaction;

// A receiver over TLS on loopback that answers what it is told and remembers what came.
struct Receiver {
  explicit Receiver(http::testing::TestPki& pki) {
    auto files = pki.Issue("receiver", {"IP:127.0.0.1", "DNS:well.example"});
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
    Release();
    server->Drain(absl::Seconds(1));
  }
  // Whether somebody has asked, within ten seconds.
  bool Asked() {
    std::unique_lock<std::mutex> lock(mutex);
    return arrived.wait_for(lock, std::chrono::seconds(10), [this] { return !requests.empty(); });
  }
  void Release() {
    std::lock_guard<std::mutex> lock(mutex);
    released = true;
    arrived.notify_all();
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

// A database with endpoints, the receiver, senders over a fake clock.
struct Hooks {
  explicit Hooks(storage::testing::Backend backend = storage::testing::Backend::kSqlite) : scratch(backend), receiver(pki) {
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
  v1::WebhookEndpoint Create(const std::string& url, const World& whose = {"ten_a", 1}) {
    v1::WebhookEndpoint out;
    const absl::Status status = Run([&](Transaction& tx) -> absl::Status {
      v1::CreateWebhookEndpointRequest request;
      request.mutable_endpoint()->set_url(url);
      auto created = endpoints->Create(tx, whose, clock.Now(), request);
      if (!created.ok()) return created.status();
      out = *created;
      return absl::OkStatus();
    });
    INFO(status);
    REQUIRE(status.ok());
    return out;
  }
  void Event(int number, const std::string& type = "payment.captured", const std::string& tenant = "ten_a") {
    v1::Event event;
    event.set_id("evt_" + std::to_string(number));
    event.set_type(type);
    event.mutable_payment()->set_id("pay_1");
    const absl::Status status = Run([&](Transaction& tx) -> absl::Status {
      auto done = tx.Execute("INSERT INTO event VALUES ($1, 1, $2, $3, 'ses_1', $4, $5, 1, $6)",
                             {tenant, number, event.id(), number, type, storage::Blob{event.SerializeAsString()}});
      if (!done.ok()) return done.status();
      return EnqueueDeliveries(tx, SystemRandom(), {event.id(), type, tenant, 1, absl::ToUnixMicros(clock.Now())});
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
  flattone::testing::FakeClock clock;
  flattone::testing::SeededRandom random{9};
  Gates gates;
  obs::Registry registry;
};

}  // namespace flattone::session::testing
