// Endpoints as tenants see them: refused by field, rotated, replayed, listed; another's do not exist.
#include <algorithm>
#include <set>

#include "services/session-orchestration/webhook/sender_fixture.h"

namespace flattone::session {
namespace {

using testing::Hooks;
using storage::Transaction;

// A new secret; its text.
absl::StatusOr<std::string> Rotate(Hooks& f, const std::string& endpoint) {
  std::string secret;
  const absl::Status status = f.Run([&](Transaction& tx) -> absl::Status {
    v1::RotateWebhookSecretRequest request;
    request.set_endpoint_id(endpoint);
    auto done = f.endpoints->RotateSecret(tx, f.world, f.clock.Now(), request);
    if (done.ok()) secret = done->secret();
    return done.status();
  });
  if (!status.ok()) return status;
  return secret;
}

// How many secrets sign what is sent now, and whether `secret` is one of them.
struct Signing {
  int secrets = 0;
  bool mine = false;
};
Signing SendOne(Hooks& f, int event, const std::string& secret) {
  f.Event(event);
  f.NewSender()->Round();
  const size_t last = f.Seen() - 1;
  const std::string signature = f.SeenHeader(last, "webhook-signature");
  auto key = ParseSecretText(secret).value();
  const crypto::SigningKey any = crypto::SigningKey::Create(f.random).value();
  const std::string mine = SignWebhook({&key}, any, f.SeenHeader(last, "webhook-id"), absl::ToUnixSeconds(f.clock.Now()), f.SeenBody(last));
  Signing out;
  for (size_t at = signature.find("v1,"); at != std::string::npos; at = signature.find("v1,", at + 1)) ++out.secrets;
  out.mine = signature.find(mine.substr(0, mine.find(' '))) != std::string::npos;
  return out;
}

TEST_CASE("a secret that is rotated out signs for its own 24 hours, however often it is rotated", "[webhook]") {
  Hooks f(GENERATE(from_range(storage::testing::Backends())));
  const v1::WebhookEndpoint endpoint = f.Create(f.receiver.Url());
  const std::string second = Rotate(f, endpoint.id()).value();
  CHECK(second != endpoint.secret());
  CHECK(SendOne(f, 1, endpoint.secret()).secrets == 2);
  f.clock.Advance(absl::Hours(13));
  Rotate(f, endpoint.id()).value();
  const Signing both = SendOne(f, 2, endpoint.secret());
  CHECK(both.secrets == 3);
  CHECK(both.mine);
  f.clock.Advance(absl::Hours(12));
  const Signing first = SendOne(f, 3, endpoint.secret());
  CHECK(first.secrets == 2);
  CHECK_FALSE(first.mine);
  CHECK(SendOne(f, 4, second).mine);
  f.clock.Advance(absl::Hours(12));
  CHECK(SendOne(f, 5, second).secrets == 1);
}

TEST_CASE("rotations beyond the bound are refused until an old secret's day is over", "[webhook]") {
  Hooks f;
  const v1::WebhookEndpoint endpoint = f.Create(f.receiver.Url());
  for (int i = 0; i < Endpoints::kMaxOldSecrets; ++i) REQUIRE(Rotate(f, endpoint.id()).ok());
  CHECK(DetailOf(Rotate(f, endpoint.id()).status())->code == "too_many_rotations");
  f.clock.Advance(absl::Hours(24));
  CHECK(Rotate(f, endpoint.id()).ok());
}

TEST_CASE("a range is replayed with its ids and numbers", "[webhook]") {
  Hooks f;
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
  Hooks f;
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
  Hooks f;
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
  Hooks f;
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

}  // namespace
}  // namespace flattone::session
