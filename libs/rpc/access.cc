#include "libs/rpc/access.h"

#include <map>

#include <grpcpp/security/auth_metadata_processor.h>

#include "libs/rpc/identity_table.h"
#include "libs/rpc/peer.h"

namespace flattone::rpc {
namespace {

class AccessCheck final : public grpc::AuthMetadataProcessor {
 public:
  AccessCheck(std::string trust_domain, obs::Registry& registry, obs::Logger& log)
      : trust_domain_(std::move(trust_domain)), log_(log),
        refused_(registry, "flattone_rpc_refused_total", "Calls refused by the identity table", "method", 128) {
    for (const TableRow& row : IdentityTable()) {
      started_.emplace(row.method, obs::Counter(registry, "flattone_rpc_started_total", "Calls let in by the identity table",
                                                {{"method", std::string(row.method)}}));
    }
  }

  bool IsBlocking() const override { return false; }  // pure look-ups: runs where the call arrived

  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context, OutputMetadata*, OutputMetadata*) override {
    auto path = metadata.find(":path");
    const std::string_view method =
        path == metadata.end() ? std::string_view() : std::string_view(path->second.data(), path->second.size());
    const auto uri = PeerUri(*context);
    const auto caller = uri ? ParseIdentity(*uri, trust_domain_) : std::nullopt;
    if (caller && MayCall(*caller, method)) {
      started_.find(method)->second.Add();
      return grpc::Status::OK;
    }
    const bool known = IsKnownMethod(method);
    refused_.Add(known ? method : std::string_view("unknown"));
    log_.Warn("call refused: this identity may not call this method",
              {{"caller", uri ? uri->substr(0, 200) : std::string("no single URI SAN")}, {"method", known ? method : std::string_view("unknown")}});
    return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "this identity may not call this method");
  }

 private:
  const std::string trust_domain_;
  obs::Logger& log_;
  obs::CounterFamily refused_;
  std::map<std::string_view, obs::Counter> started_;  // filled once, then only read
};

}  // namespace

std::shared_ptr<grpc::AuthMetadataProcessor> MakeAccessCheck(std::string trust_domain, obs::Registry& registry,
                                                             obs::Logger& log) {
  return std::make_shared<AccessCheck>(std::move(trust_domain), registry, log);
}

}  // namespace flattone::rpc
