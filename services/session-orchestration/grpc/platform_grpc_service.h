// The gRPC door of a platform's methods, beside SessionGrpcService on the public listener.
#pragma once

#include "flattone/session/v1/platform.grpc.pb.h"
#include "services/session-orchestration/grpc/public_call.h"

namespace flattone::session {

class PlatformGrpcService final : public v1::PlatformService::Service {
 public:
  PlatformGrpcService(RpcDispatcher& dispatcher, Random& random) : dispatcher_(dispatcher), random_(random) {}

  grpc::Status CreatePlatformTenant(grpc::ServerContext* context, const v1::CreatePlatformTenantRequest* request, v1::Tenant* response) override { return Unary(context, "CreatePlatformTenant", *request, response); }
  grpc::Status GetPlatformTenant(grpc::ServerContext* context, const v1::GetPlatformTenantRequest* request, v1::Tenant* response) override { return Unary(context, "GetPlatformTenant", *request, response); }
  grpc::Status ListPlatformTenants(grpc::ServerContext* context, const v1::ListPlatformTenantsRequest* request, v1::ListPlatformTenantsResponse* response) override { return Unary(context, "ListPlatformTenants", *request, response); }
  grpc::Status SuspendPlatformTenant(grpc::ServerContext* context, const v1::SuspendPlatformTenantRequest* request, v1::Tenant* response) override { return Unary(context, "SuspendPlatformTenant", *request, response); }
  grpc::Status ResumePlatformTenant(grpc::ServerContext* context, const v1::ResumePlatformTenantRequest* request, v1::Tenant* response) override { return Unary(context, "ResumePlatformTenant", *request, response); }
  grpc::Status CreateTenantApiKey(grpc::ServerContext* context, const v1::CreateTenantApiKeyRequest* request, v1::ApiKey* response) override { return Unary(context, "CreateTenantApiKey", *request, response); }
  grpc::Status ListTenantApiKeys(grpc::ServerContext* context, const v1::ListTenantApiKeysRequest* request, v1::ListTenantApiKeysResponse* response) override { return Unary(context, "ListTenantApiKeys", *request, response); }
  grpc::Status RevokeTenantApiKey(grpc::ServerContext* context, const v1::RevokeTenantApiKeyRequest* request, v1::ApiKey* response) override { return Unary(context, "RevokeTenantApiKey", *request, response); }

 private:
  grpc::Status Unary(grpc::ServerContext* context, const char* name, const google::protobuf::Message& request, google::protobuf::Message* response) {
    return PublicUnary(dispatcher_, random_, context, std::string("flattone.session.v1.PlatformService.") + name, request, response);
  }
  RpcDispatcher& dispatcher_;
  Random& random_;
};

}  // namespace flattone::session
