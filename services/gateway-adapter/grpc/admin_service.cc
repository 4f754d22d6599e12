#include "services/gateway-adapter/grpc/admin_service.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/error.h"
#include "libs/obs/json_text.h"
#include "libs/rpc/call.h"
#include "libs/rpc/status.h"
#include "services/gateway-adapter/admin/records.h"
#include "services/gateway-adapter/grpc/checks.h"
#include "services/gateway-adapter/outbox/encode.h"

namespace flattone::gateway {
namespace {

void ToProto(const Account& account, v1::PspAccount* out) {
  out->set_account_id(account.account_id);
  out->set_tenant_id(account.tenant_id);
  out->set_mode(static_cast<common::v1::Mode>(account.mode));
  out->set_psp(account.psp);
  for (const std::string& field : account.fields) out->add_credential_fields(field);
  out->set_created_ms(account.created_us / 1000);
  out->set_updated_ms(account.updated_us / 1000);
}

absl::Status CheckReason(const std::string& reason) {
  if (reason.size() < 10 || reason.size() > 500) {
    return InvalidField("reason", absl::StrCat("has ", reason.size(), " characters"), "10 to 500 characters");
  }
  std::string cleaned = reason;
  if (obs::RemoveCardShapedNumbers(cleaned)) return InvalidField("reason", "holds what looks like a card number", "free of card data");
  return absl::OkStatus();
}

}  // namespace

std::string AdminGrpcService::ActorOf(grpc::ServerContext& context) const {
  return rpc::InfoOf(context, p_.random).caller.ToString();
}

AuditNote AdminGrpcService::Note(std::string actor, std::string action, std::string tenant_id, std::string reason) const {
  const int64_t now = absl::ToUnixMicros(p_.clock.Now());
  return [=](storage::Transaction& tx, const std::string& object) {
    return AppendRecord(tx, {0, now, actor, action, tenant_id, object, reason});
  };
}

absl::StatusOr<Credentials> AdminGrpcService::CheckAccount(const v1::PutPspAccountRequest& request) const {
  absl::Status status = CheckText("tenant_id", request.tenant_id());
  if (!status.ok()) return status;
  auto mode = CheckMode(request.mode());
  if (!mode.ok()) return mode.status();
  std::vector<std::string> names;
  for (const auto& [name, adapter] : p_.psps) {
    if ((p_.test_psps.count(name) > 0) == (*mode == Mode::kTest)) names.push_back(name);
  }
  const std::string allowed = names.empty() ? "a PSP of this mode; the configuration names none" : "one of " + absl::StrJoin(names, ", ");
  if (std::find(names.begin(), names.end(), request.psp()) == names.end()) {
    return InvalidField("psp", "is not configured for this mode", allowed);
  }
  const std::vector<std::string>& fields = p_.psps.at(request.psp())->credential_fields();
  Credentials credentials;
  for (const auto& [name, value] : request.credentials()) {
    if (std::find(fields.begin(), fields.end(), name) == fields.end()) {
      return InvalidField("credentials", "has a field that this PSP does not know", "exactly: " + absl::StrJoin(fields, ", "));
    }
    // A credential goes into a header: what would end or split it is refused.
    const bool printable = std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c <= '~'; });
    if (value.empty() || value.size() > 512 || !printable) {
      return InvalidField("credentials." + name, "cannot be used", "1 to 512 printable ASCII characters");
    }
    auto copy = secret::SecretBytes::CopyOf(std::string_view(value));
    if (!copy.ok()) return copy.status();
    credentials.emplace(name, std::move(*copy));
  }
  for (const std::string& field : fields) {
    if (credentials.count(field) == 0) return InvalidField("credentials." + field, "is missing", "1 to 512 printable ASCII characters");
  }
  return credentials;
}

grpc::Status AdminGrpcService::PutPspAccount(grpc::ServerContext* context, const v1::PutPspAccountRequest* request, v1::PspAccount* response) {
  auto credentials = CheckAccount(*request);
  if (!credentials.ok()) return rpc::ToGrpc(credentials.status(), context);
  auto account = p_.accounts.Put(request->tenant_id(), static_cast<Mode>(request->mode()), request->psp(), *credentials,
                                 Note(ActorOf(*context), "psp_account.put", request->tenant_id(), request->psp()));
  if (!account.ok()) return rpc::ToGrpc(account.status(), context);
  ToProto(*account, response);
  return grpc::Status::OK;
}

grpc::Status AdminGrpcService::ListPspAccounts(grpc::ServerContext* context, const v1::ListPspAccountsRequest* request,
                                               v1::ListPspAccountsResponse* response) {
  absl::Status status = CheckText("tenant_id", request->tenant_id());
  auto size = CheckPageSize(request->page_size());
  if (!status.ok() || !size.ok()) return rpc::ToGrpc(status.ok() ? size.status() : status, context);
  auto accounts = p_.accounts.List(request->tenant_id(), request->page_token(), *size + 1);
  if (!accounts.ok()) return rpc::ToGrpc(accounts.status(), context);
  if (accounts->size() > static_cast<size_t>(*size)) {
    accounts->pop_back();
    response->set_next_page_token(accounts->back().account_id);
  }
  for (const Account& account : *accounts) ToProto(account, response->add_accounts());
  return grpc::Status::OK;
}

grpc::Status AdminGrpcService::DeletePspAccount(grpc::ServerContext* context, const v1::DeletePspAccountRequest* request,
                                                v1::DeletePspAccountResponse*) {
  absl::Status status = CheckText("tenant_id", request->tenant_id());
  if (status.ok()) status = CheckText("account_id", request->account_id());
  if (status.ok()) {
    status = p_.accounts.Delete(request->tenant_id(), request->account_id(),
                                Note(ActorOf(*context), "psp_account.delete", request->tenant_id(), ""));
  }
  return rpc::ToGrpc(status, context);
}

grpc::Status AdminGrpcService::ListUnknownAttempts(grpc::ServerContext* context, const v1::ListUnknownAttemptsRequest* request,
                                                   v1::ListUnknownAttemptsResponse* response) {
  auto size = CheckPageSize(request->page_size());
  if (!size.ok()) return rpc::ToGrpc(size.status(), context);
  // The token is "microseconds:attempt".
  const std::string& token = request->page_token();
  const size_t colon = token.find(':');
  int64_t after_us = -1;
  if (!token.empty() && (colon == std::string::npos || !absl::SimpleAtoi(token.substr(0, colon), &after_us))) {
    return rpc::ToGrpc(InvalidField("page_token", "is none of ours", "next_page_token of the page before"), context);
  }
  auto attempts = p_.ledger.Unknown(request->tenant_id(), after_us, token.empty() ? "" : token.substr(colon + 1), *size + 1);
  if (!attempts.ok()) return rpc::ToGrpc(attempts.status(), context);
  if (attempts->size() > static_cast<size_t>(*size)) {
    attempts->pop_back();
    response->set_next_page_token(absl::StrCat(attempts->back().unknown_us, ":", attempts->back().attempt_id));
  }
  for (const Attempt& attempt : *attempts) gateway::ToProto(attempt, response->add_attempts());
  return grpc::Status::OK;
}

absl::StatusOr<Attempt> AdminGrpcService::Decide(const v1::ResolveAttemptRequest& request, const std::string& actor) {
  absl::Status status = CheckText("tenant_id", request.tenant_id());
  if (status.ok()) status = CheckText("attempt_id", request.attempt_id());
  if (status.ok()) status = CheckReason(request.reason());
  if (!status.ok()) return status;
  const auto answer = static_cast<Answer>(request.answer());
  if (answer != Answer::kApproved && answer != Answer::kDeclined && answer != Answer::kVoided) {
    return InvalidField("answer", absl::StrCat("is ", request.answer()), "ANSWER_APPROVED, ANSWER_DECLINED or ANSWER_VOIDED");
  }
  if (answer == Answer::kApproved) status = CheckText("psp_reference", request.psp_reference(), 255);
  if (!status.ok()) return status;
  auto attempt = p_.ledger.Find(request.tenant_id(), request.attempt_id());
  if (absl::IsNotFound(attempt.status())) {
    return Refusal(absl::StatusCode::kNotFound, {.code = "attempt_not_found", .field = "attempt_id", .limit = {}, .fix = {}},
                   "there is no such attempt");
  }
  if (!attempt.ok()) return attempt.status();
  Event event{.kind = EventKind::kResolved, .answer = answer};
  event.psp_reference = answer == Answer::kApproved ? request.psp_reference() : "";
  event.raw_code = "operator";
  event.captured = attempt->capture_now || attempt->operation == Operation::kCapture;
  const AuditNote note = Note(actor, "attempt.resolve", request.tenant_id(),
                              absl::StrCat(v1::Answer_Name(request.answer()), ": ", request.reason()));
  auto after = p_.ledger.Write(request.attempt_id(), event, [&](storage::Transaction& tx, Attempt& row) {
    if (row.operation == Operation::kAuthorise) row.wipe = 2;
    return note(tx, row.attempt_id);
  });
  if (absl::IsFailedPrecondition(after.status())) {
    return Refusal(absl::StatusCode::kFailedPrecondition, {.code = "not_unknown", .field = {}, .limit = {}, .fix = {}},
                   "the attempt's outcome is not unknown");
  }
  return after;
}

grpc::Status AdminGrpcService::ResolveAttempt(grpc::ServerContext* context, const v1::ResolveAttemptRequest* request, v1::Attempt* response) {
  const rpc::CallInfo call = rpc::InfoOf(*context, p_.random);
  auto after = Decide(*request, call.caller.ToString());
  if (!after.ok()) return rpc::ToGrpc(after.status(), context);
  p_.meters.resolved_by_operator.Add();
  p_.meters.Ended(*after);
  p_.log.Warn(call.trace, "unknown outcome decided by an operator", {{"attempt", after->attempt_id}, {"outcome", OutcomeName(*after)}});
  gateway::ToProto(*after, response);
  return grpc::Status::OK;
}

grpc::Status AdminGrpcService::ListAdminRecords(grpc::ServerContext* context, const v1::ListAdminRecordsRequest* request,
                                                v1::ListAdminRecordsResponse* response) {
  auto size = CheckPageSize(request->page_size());
  if (!size.ok()) return rpc::ToGrpc(size.status(), context);
  auto records = ListRecords(p_.database, request->after_sequence(), *size);
  if (!records.ok()) return rpc::ToGrpc(records.status(), context);
  for (const AdminRecord& record : *records) {
    v1::AdminRecord* out = response->add_records();
    out->set_sequence(record.sequence);
    out->set_time_ms(record.time_us / 1000);
    out->set_actor(record.actor);
    out->set_action(record.action);
    out->set_tenant_id(record.tenant_id);
    out->set_object(record.object);
    out->set_reason(record.reason);
  }
  return grpc::Status::OK;
}

}  // namespace flattone::gateway
