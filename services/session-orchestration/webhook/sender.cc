#include "services/session-orchestration/webhook/sender.h"

#include "absl/strings/str_cat.h"
#include "services/session-orchestration/webhook/payload.h"
#include "services/session-orchestration/webhook/signature.h"

namespace flattone::session {
namespace {

// How an attempt without an answer is told to the tenant.
std::string ErrorWord(const http::ClientResult& result) {
  if (result.status.code() == absl::StatusCode::kPermissionDenied) return "address not allowed";
  if (result.status.code() == absl::StatusCode::kDeadlineExceeded) return "timeout";
  switch (result.stage) {
    case http::Stage::kResolve: return "name not found";
    case http::Stage::kConnect: return "connection refused";
    case http::Stage::kHandshake: return "certificate or TLS refused";
    default: return "connection lost";
  }
}

// Errors before anything was sent that are our own; the delivery is tried again like any other.
Attempt OwnTrouble(const std::string& what) { return {0, what, ""}; }

void Leave(std::map<std::string, int>& counts, const std::string& name) {
  auto found = counts.find(name);
  if (--found->second == 0) counts.erase(found);
}

}  // namespace

// One delivery under way: keeps the bytes alive that the client sends.
struct Sender::Sending {
  ClaimedDelivery delivery;
  std::string body;
};

Sender::Sender(SenderOptions options, SenderParts parts)
    : options_(std::move(options)), parts_(std::move(parts)),
      delivered_(parts_.registry, "flattone_session_webhooks_total", "Webhook attempts by outcome", {{"outcome", "delivered"}}),
      retried_(parts_.registry, "flattone_session_webhooks_total", "Webhook attempts by outcome", {{"outcome", "retry"}}),
      given_up_(parts_.registry, "flattone_session_webhooks_total", "Webhook attempts by outcome", {{"outcome", "given_up"}}),
      disabled_(parts_.registry, "flattone_session_webhook_endpoints_disabled_total", "Webhook endpoints that were disabled"),
      failed_to_mark_(parts_.registry, "flattone_session_webhooks_unmarked_total",
                      "Webhooks sent whose outcome could not be written; they are sent again"),
      in_flight_gauge_(parts_.registry, "flattone_session_webhooks_in_flight", "Webhook requests under way"),
      seconds_(parts_.registry, "flattone_session_webhook_seconds", "Duration of a webhook request", obs::DurationBounds()) {}

Sender::~Sender() { Stop(); }

void Sender::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Sender::Stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Sender::Wake() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void Sender::Run() {
  while (true) {
    while (MarkOne()) {
    }
    std::unique_lock<std::mutex> lock(mutex_);
    if (stopping_) {
      if (in_flight_ == 0) return;
      changed_.wait(lock, [this] { return !finished_.empty(); });
      continue;
    }
    lock.unlock();
    const int sent = ClaimAndSend();
    lock.lock();
    if (sent > 0) continue;
    changed_.wait_for(lock, absl::ToChronoNanoseconds(options_.poll),
                      [this] { return stopping_ || woken_ || !finished_.empty(); });
    woken_ = false;
  }
}

int Sender::Round() {
  const int sent = ClaimAndSend();
  while (true) {
    if (MarkOne()) continue;
    std::unique_lock<std::mutex> lock(mutex_);
    if (in_flight_ == 0) return sent;
    changed_.wait(lock, [this] { return !finished_.empty(); });
  }
}

int Sender::ClaimAndSend() {
  SenderRoom room{.per_endpoint = options_.per_endpoint, .per_tenant = options_.per_tenant};
  {
    std::lock_guard<std::mutex> lock(mutex_);
    room.deliveries = options_.in_flight - in_flight_;
    room.under_way = under_way_;
    room.of_tenant = of_tenant_;
  }
  if (room.deliveries <= 0) return 0;
  std::vector<ClaimedDelivery> claimed;
  const absl::Status status = parts_.database.Write([&](storage::Transaction& tx) -> absl::Status {
    auto deliveries = ClaimDeliveries(tx, options_.owner, parts_.clock.Now(), options_.lease, room);
    if (!deliveries.ok()) return deliveries.status();
    claimed = std::move(*deliveries);
    return absl::OkStatus();
  });
  if (!status.ok()) return 0;  // storage counts it; the next poll tries again
  for (ClaimedDelivery& delivery : claimed) Send(std::move(delivery));
  return static_cast<int>(claimed.size());
}

void Sender::Send(ClaimedDelivery delivery) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ++under_way_[delivery.endpoint_id];
    ++of_tenant_[delivery.tenant_id];
    ++in_flight_;
  }
  in_flight_gauge_.Add(1);
  parts_.gates.Reach("event_committed_webhook_not_sent");

  auto sending = std::make_shared<Sending>();
  sending->delivery = std::move(delivery);
  auto finish = [this, sending](Attempt attempt) {
    // Notified under the lock: who waits may destroy this sender as soon as it has the lock.
    std::lock_guard<std::mutex> lock(mutex_);
    finished_.push_back({sending->delivery, std::move(attempt)});
    changed_.notify_all();
  };
  const ClaimedDelivery& d = sending->delivery;
  v1::Event event;
  auto url = http::ParseUrl(d.url);
  auto secret = parts_.box.Open({d.tenant_id, d.endpoint_id, "secret"}, d.secret);
  auto seed = parts_.box.Open({d.tenant_id, d.endpoint_id, "signing_key"}, d.signing_key);
  if (!url.ok() || !url->tls || !event.ParseFromString(d.event_body) || !secret.ok() || !seed.ok()) {
    return finish(OwnTrouble("internal: the delivery cannot be built"));
  }
  auto key = crypto::SigningKey::FromSeed(*seed);
  auto body = WebhookPayload(event, d.endpoint_sequence);
  if (!key.ok() || !body.ok()) {
    return finish(OwnTrouble("internal: the delivery cannot be built"));
  }
  sending->body = std::move(*body);
  std::vector<secret::SecretBytes> old_secrets;
  for (const std::string& sealed : d.old_secrets) {
    auto old = parts_.box.Open({d.tenant_id, d.endpoint_id, "old_secret"}, sealed);
    if (old.ok()) old_secrets.push_back(std::move(*old));
  }
  std::vector<const secret::SecretBytes*> secrets = {&*secret};
  for (const secret::SecretBytes& old : old_secrets) secrets.push_back(&old);

  const int64_t now = absl::ToUnixSeconds(parts_.clock.Now());
  http::ClientRequest request;
  request.method = "POST";
  request.url = std::move(*url);
  request.headers = {{"content-type", "application/json"},
                     {"user-agent", "Flattone-Webhooks/1.0"},
                     {"webhook-id", d.id},
                     {"webhook-timestamp", absl::StrCat(now)},
                     {"webhook-signature", SignWebhook(secrets, *key, d.id, now, sending->body)}};
  request.body = crypto::AsBytes(sending->body);
  request.deadlines = {options_.timeout, options_.timeout, options_.timeout};
  request.max_response_bytes = 256 * 1024;
  request.policy = parts_.policy;
  parts_.client.SendAsync(std::move(request), [this, finish](http::ClientResult result) {
    seconds_.Observe(absl::ToDoubleSeconds(result.elapsed));
    if (result.reach != http::Reach::kAnswered) return finish({0, ErrorWord(result), ""});
    finish({result.code, result.code >= 300 && result.code <= 399 ? "redirects are not followed" : "",
            std::string(http::FindHeader(result.headers, "retry-after").value_or(""))});
  });
}

bool Sender::MarkOne() {
  Finished finished;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (finished_.empty()) return false;
    finished = std::move(finished_.front());
    finished_.pop_front();
  }
  parts_.gates.Reach("webhook_sent_not_marked");
  Mark(finished);
  in_flight_gauge_.Add(-1);
  std::lock_guard<std::mutex> lock(mutex_);
  --in_flight_;
  Leave(under_way_, finished.delivery.endpoint_id);
  Leave(of_tenant_, finished.delivery.tenant_id);
  return true;
}

void Sender::Mark(const Finished& finished) {
  const absl::Time now = parts_.clock.Now();
  const absl::Time failing_since = finished.delivery.failing_since_us == 0 ? absl::InfiniteFuture()
                                                                           : absl::FromUnixMicros(finished.delivery.failing_since_us);
  const DeliveryVerdict verdict = Judge(finished.attempt, finished.delivery.attempts, failing_since, now, parts_.random);
  const absl::Status status =
      parts_.database.Write([&](storage::Transaction& tx) { return MarkIn(tx, finished, verdict); });
  if (!status.ok()) return failed_to_mark_.Add();  // the lease runs out and it is sent again, with the same id
  if (verdict.action == DeliveryVerdict::kDelivered) delivered_.Add();
  if (verdict.action == DeliveryVerdict::kRetry) retried_.Add();
  if (verdict.action == DeliveryVerdict::kGiveUp) given_up_.Add();
  if (!verdict.disable_reason.empty()) disabled_.Add();
}

absl::Status Sender::MarkIn(storage::Transaction& tx, const Finished& finished, const DeliveryVerdict& verdict) {
  const ClaimedDelivery& delivery = finished.delivery;
  const absl::Time now = parts_.clock.Now();
  const DeliveryResult result{finished.attempt.status, finished.attempt.error};
  absl::Status status;
  switch (verdict.action) {
    case DeliveryVerdict::kDelivered:
      return MarkDelivered(tx, options_.owner, delivery, finished.attempt.status, now);
    case DeliveryVerdict::kRetry:
      status = MarkRetry(tx, options_.owner, delivery, result, verdict.next, now);
      break;
    case DeliveryVerdict::kGiveUp:
      status = MarkFailed(tx, options_.owner, delivery, result, now);
      break;
  }
  if (!status.ok() || verdict.disable_reason.empty()) return status;
  return DisableEndpoint(tx, delivery.tenant_id, delivery.endpoint_id, verdict.disable_reason);
}

}  // namespace flattone::session
