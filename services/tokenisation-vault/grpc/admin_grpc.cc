#include "services/tokenisation-vault/grpc/admin_grpc.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/tokenisation-vault/grpc/call.h"
#include "services/tokenisation-vault/grpc/convert.h"

namespace flattone::vault {
namespace {

constexpr uint32_t kDefaultPage = 100, kLargestPage = 1000;

}  // namespace

grpc::Status AdminGrpcService::ListAuditRecords(grpc::ServerContext* context, const v1::ListAuditRecordsRequest* request,
                                                v1::ListAuditRecordsResponse* response) {
  const uint32_t size = request->page_size() == 0 ? kDefaultPage : request->page_size();
  if (size > kLargestPage) {
    return rpc::ToGrpc(InvalidField("page_size", absl::StrCat("is ", size), "0, or from 1 to 1000"), context);
  }
  auto records = audit_.List(request->tenant_id(), request->after_sequence(), static_cast<int>(size));
  if (!records.ok()) return rpc::ToGrpc(records.status(), context);
  for (const AuditRecord& record : *records) *response->add_records() = ToProto(record);
  if (records->size() == size) response->set_next_after_sequence(records->back().sequence);
  return grpc::Status::OK;
}

grpc::Status AdminGrpcService::VerifyAudit(grpc::ServerContext* context, const v1::VerifyAuditRequest*,
                                           v1::VerifyAuditResponse* response) {
  auto verdict = audit_.Verify();
  if (!verdict.ok()) return rpc::ToGrpc(verdict.status(), context);
  response->set_intact(verdict->intact);
  response->set_records(verdict->records);
  response->set_broken_sequence(verdict->broken_sequence);
  response->set_problem(verdict->problem);
  response->set_public_key(audit_.public_key().data(), audit_.public_key().size());
  return grpc::Status::OK;
}

grpc::Status AdminGrpcService::GetToken(grpc::ServerContext* context, const v1::GetTokenRequest* request, v1::Token* out) {
  auto row = tokens_.Find(request->tenant_id(), request->token_id());
  if (row.ok()) *out = ToProto(*row, codes_.Has(row->token));
  return rpc::ToGrpc(row.status(), context);
}

grpc::Status AdminGrpcService::DestroyToken(grpc::ServerContext* context, const v1::DestroyTokenRequest* request,
                                            v1::DestroyTokenResponse*) {
  return rpc::ToGrpc(cards_.Destroy(request->tenant_id(), request->token_id(), CallerOf(*context, random_)), context);
}

grpc::Status AdminGrpcService::RotateDataKey(grpc::ServerContext* context, const v1::RotateDataKeyRequest* request,
                                             v1::RotateDataKeyResponse* response) {
  if (auto s = CheckId("tenant_id", request->tenant_id(), "ten"); !s.ok()) return rpc::ToGrpc(s, context);
  // The audit first: a key that nobody recorded is not made.
  const Caller caller = CallerOf(*context, random_);
  const auto recorded = audit_.Record({caller.actor, "key.rotate", request->tenant_id(), "", "ok", caller.origin});
  if (!recorded.ok()) return rpc::ToGrpc(recorded, context);
  auto version = keyring_.Rotate(request->tenant_id());
  if (version.ok()) response->set_key_version(*version);
  return rpc::ToGrpc(version.status(), context);
}

}  // namespace flattone::vault
