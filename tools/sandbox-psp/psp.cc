#include "tools/sandbox-psp/psp.h"

#include <openssl/sha.h>

#include "absl/strings/escaping.h"
#include "libs/http/url.h"

namespace flattone::sandbox {
namespace {

std::string Fingerprint(const std::string& meaning) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(meaning.data()), meaning.size(), digest);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), sizeof digest));
}

void SendJson(http::ResponseWriter& writer, const Reply& reply, bool replayed = false) {
  http::Response response{reply.status, {{"content-type", "application/json"}}, reply.body};
  if (replayed) response.headers.emplace_back("idempotent-replayed", "true");
  writer.Send(std::move(response));
}

struct Target {
  std::string path;
  http::Fields query;
};
std::optional<Target> ReadTarget(const std::string& text) {
  const auto target = http::ParseTarget(text);
  if (!target.has_value()) return std::nullopt;
  auto path = http::PercentDecode(target->path, false);
  auto query = http::ParseForm(target->query);
  if (!path.has_value() || !query.ok()) return std::nullopt;
  return Target{*std::move(path), *std::move(query)};
}

Reply Malformed() { return {400, "{\"error\":{\"code\":\"malformed_request\"}}"}; }

}  // namespace

Psp::Psp(const Clock& clock, Random& random)
    : ledger_(clock, random), sandbox_(MakeSandboxDialect(ledger_)), stripe_(MakeStripeDialect(ledger_)) {}

void Psp::Handle(http::Request request, http::ResponseWriter writer) {
  const auto target = ReadTarget(request.target);
  if (!target.has_value()) return SendJson(writer, Malformed());
  if (target->path.compare(0, 10, "/_sandbox/") == 0) return SendJson(writer, NotFound());
  Dialect& dialect = target->path.compare(0, 12, "/v1/sandbox/") == 0 ? *sandbox_ : *stripe_;
  std::variant<Call, Reply> prepared = dialect.Prepare(request, target->path, target->query);
  if (std::holds_alternative<Reply>(prepared)) return SendJson(writer, std::get<Reply>(prepared));
  Run(dialect, std::move(std::get<Call>(prepared)), std::move(writer));
}

void Psp::HandleAdmin(http::Request request, http::ResponseWriter writer) {
  const auto target = ReadTarget(request.target);
  SendJson(writer, target.has_value() ? Admin(request, target->path, target->query) : Malformed());
}

void Psp::Run(Dialect& dialect, Call call, http::ResponseWriter writer) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ++requests_[std::string(OperationName(call.operation))];
  }
  if (call.changes && !call.key.empty()) {
    SavedAnswer saved;
    switch (ledger_.UseKey(call.account, call.key, Fingerprint(call.meaning), &saved)) {
      case Ledger::KeyUse::kFirst: break;
      case Ledger::KeyUse::kReplay: return SendJson(writer, {saved.status, saved.body}, true);
      case Ledger::KeyUse::kRunning: return SendJson(writer, dialect.KeyInUse());
      case Ledger::KeyUse::kReused: return SendJson(writer, dialect.KeyReused());
    }
  }
  std::optional<Fault> fault = faults_.Take(call.operation, call.references, call.last_four);
  const MagicCard* magic = fault.has_value() ? nullptr : FindMagic(call.magic);
  if (magic != nullptr && magic->fault.has_value() && magic->fault->operation == call.operation) fault = magic->fault;
  const std::optional<FaultKind> kind = fault.has_value() ? std::optional<FaultKind>(fault->kind) : std::nullopt;

  if (kind == FaultKind::kDrop || kind == FaultKind::kReset) {
    ledger_.DropKey(call.account, call.key);
    return writer.Abort(kind == FaultKind::kReset);
  }
  if (kind == FaultKind::kSlow) Sleep(fault->ms);
  if (kind == FaultKind::kHoldBefore && !Hold(call, "before")) {
    ledger_.DropKey(call.account, call.key);
    return writer.Abort(false);
  }
  const Reply reply = Execute(dialect, call, kind);
  if (kind == FaultKind::kSlowAfter) Sleep(fault->ms);
  if (kind == FaultKind::kDropAfter || kind == FaultKind::kResetAfter) {
    return writer.Abort(kind == FaultKind::kResetAfter);
  }
  if (kind == FaultKind::kHold && !Hold(call, "after")) return writer.Abort(false);
  if (kind == FaultKind::kGarbage) return SendJson(writer, {200, "<html>It works!</html>"});
  SendJson(writer, reply);
}

// Carries the call out and keeps the answer under its key; says what the client is to see.
Reply Psp::Execute(Dialect& dialect, const Call& call, std::optional<FaultKind> fault) {
  const bool keyed = call.changes && !call.key.empty();
  if (fault == FaultKind::kError) {
    if (keyed) ledger_.DropKey(call.account, call.key);
    return dialect.ServerError();
  }
  Reply reply = call.run();
  if (fault == FaultKind::kStored500) reply = dialect.ServerError();
  if (keyed && fault == FaultKind::kForgetKey) {
    ledger_.DropKey(call.account, call.key);
  } else if (keyed) {
    ledger_.SaveAnswer(call.account, call.key, reply.status, reply.body);
  }
  return fault == FaultKind::kErrorAfter ? dialect.ServerError() : reply;
}

void Psp::Sleep(int64_t ms) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return stopped_; });
}

bool Psp::Hold(const Call& call, const char* stage) {
  std::unique_lock<std::mutex> lock(mutex_);
  const int64_t id = next_held_++;
  held_[id] = {std::string(OperationName(call.operation)), stage, call.references, false, false};
  changed_.wait(lock, [&] { return stopped_ || held_[id].released; });
  const bool answer = !held_[id].drop && !stopped_;
  held_.erase(id);
  return answer;
}

void Psp::Stop() {
  std::lock_guard<std::mutex> lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

}  // namespace flattone::sandbox
