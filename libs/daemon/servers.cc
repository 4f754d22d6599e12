#include "libs/daemon/servers.h"

#include <atomic>

#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::daemon {
namespace {

constexpr int kMaxThreads = 1024;  // of synchronous handlers: a call to a slow PSP or an event stream holds one
constexpr int kMaxStreamsPerConnection = 1000;
constexpr char kReady[] = "ready";

std::atomic<obs::Logger*> grpc_log{nullptr};

void OnGrpcLine(gpr_log_func_args* args) {
  obs::Logger* log = grpc_log.load(std::memory_order_acquire);
  if (log == nullptr || args->severity != GPR_LOG_SEVERITY_ERROR) return;
  log->Warn("gRPC library", {{"text", args->message}});
}

void SetLimits(grpc::ServerBuilder& builder, int max_message_bytes) {
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a second process on the port is an error, not a partner
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  builder.SetMaxReceiveMessageSize(max_message_bytes);
  grpc::ResourceQuota quota;
  quota.SetMaxThreads(kMaxThreads);
  builder.SetResourceQuota(quota);
}

}  // namespace

void RouteGrpcLog(obs::Logger* log) {
  grpc_log.store(log, std::memory_order_release);
  gpr_set_log_function(&OnGrpcLine);
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Options& options) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  auto server = std::make_unique<Server>();
  grpc::ServerBuilder builder;
  SetLimits(builder, options.max_message_bytes);
  builder.AddListeningPort(options.address, options.credentials, &server->port_);
  for (const NamedService& service : options.services) {
    builder.RegisterService(service.service);
    server->names_.push_back(service.name);
  }
  if (options.configure) options.configure(builder);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || server->port_ == 0) {
    return InvalidField(options.flag, absl::StrCat("is '", options.address, "', which cannot be bound"),
                        "a free local address host:port, or port 0");
  }
  server->SetReady(false);
  return server;
}

void Server::SetReady(bool ready) {
  auto* health = server_->GetHealthCheckService();
  if (health == nullptr) return;
  health->SetServingStatus(kReady, ready);
  for (const std::string& name : names_) health->SetServingStatus(name, ready);
}

void Server::Shutdown(absl::Time deadline) { server_->Shutdown(absl::ToChronoTime(deadline)); }

}  // namespace flattone::daemon
