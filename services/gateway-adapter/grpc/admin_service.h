// GatewayAdminService: what an operator may do, each change with an audit record in its own transaction.
#pragma once

#include <set>
#include <string>

#include "flattone/gateway/v1/gateway.grpc.pb.h"
#include "services/gateway-adapter/attempt/runner.h"

namespace flattone::gateway {

class AdminGrpcService final : public v1::GatewayAdminService::Service {
 public:
  struct Parts {
    storage::Database& database;
    Ledger& ledger;
    Accounts& accounts;
    const Psps& psps;
    const std::set<std::string>& test_psps;  // those that test mode reaches; live mode reaches the others
    Meters& meters;
    obs::Logger& log;
    const Clock& clock;
    Random& random;
  };
  explicit AdminGrpcService(Parts parts) : p_(parts) {}

  grpc::Status PutPspAccount(grpc::ServerContext* context, const v1::PutPspAccountRequest* request, v1::PspAccount* response) override;
  grpc::Status ListPspAccounts(grpc::ServerContext* context, const v1::ListPspAccountsRequest* request, v1::ListPspAccountsResponse* response) override;
  grpc::Status DeletePspAccount(grpc::ServerContext* context, const v1::DeletePspAccountRequest* request, v1::DeletePspAccountResponse* response) override;
  grpc::Status ListUnknownAttempts(grpc::ServerContext* context, const v1::ListUnknownAttemptsRequest* request, v1::ListUnknownAttemptsResponse* response) override;
  grpc::Status ResolveAttempt(grpc::ServerContext* context, const v1::ResolveAttemptRequest* request, v1::Attempt* response) override;
  grpc::Status ListAdminRecords(grpc::ServerContext* context, const v1::ListAdminRecordsRequest* request, v1::ListAdminRecordsResponse* response) override;

 private:
  absl::StatusOr<Credentials> CheckAccount(const v1::PutPspAccountRequest& request) const;
  absl::StatusOr<Attempt> Decide(const v1::ResolveAttemptRequest& request, const std::string& actor);
  std::string ActorOf(grpc::ServerContext& context) const;
  AuditNote Note(std::string actor, std::string action, std::string tenant_id, std::string reason) const;

  const Parts p_;
};

}  // namespace flattone::gateway
