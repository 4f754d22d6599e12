#include "libs/rpc/credentials.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "libs/rpc/identity.h"

namespace flattone::rpc {
namespace {

namespace tls = grpc::experimental;

// Runs after gRPC has verified the chain; refuses the handshake when the server is not who was asked for.
class PinServerUri final : public tls::ExternalCertificateVerifier {
 public:
  explicit PinServerUri(std::string uri) : uri_(std::move(uri)) {}

  bool Verify(tls::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* sync_status) override {
    const auto uris = request->uri_names();
    if (uris.size() == 1 && uris[0] == uri_) {
      *sync_status = grpc::Status::OK;
    } else {
      *sync_status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "the server's certificate is not that of " + uri_);
    }
    return true;
  }
  void Cancel(tls::TlsCustomVerificationCheckRequest*) override {}

 private:
  const std::string uri_;
};

// "a:1,b:2" is several replicas of one service: gRPC's own spelling of that names the address family.
std::string TargetOf(const std::string& addresses) {
  if (addresses.find(',') == std::string::npos || addresses.find("ipv4:") == 0 || addresses.find("ipv6:") == 0) return addresses;
  return (addresses[0] == '[' ? "ipv6:" : "ipv4:") + addresses;
}

void SetConnectionBehaviour(grpc::ChannelArguments& args, bool own_connection) {
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, own_connection ? 1 : 0);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);  // a server that was started again is found well within kReconnect
  // In gRPC 1.51 this is the time one connection attempt may take, not the pause between two.
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  args.SetLoadBalancingPolicyName("round_robin");  // all replicas behind a name, and over to the next when one is gone
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // retries are made at one layer, by who knows what is idempotent
}

}  // namespace

std::shared_ptr<grpc::ServerCredentials> InternalServerCredentials(const TlsFiles& files,
                                                                   std::shared_ptr<grpc::AuthMetadataProcessor> access,
                                                                   unsigned refresh_seconds) {
  auto provider = std::make_shared<tls::FileWatcherCertificateProvider>(files.key, files.certificate, files.ca, refresh_seconds);
  tls::TlsServerCredentialsOptions options(provider);
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  auto credentials = tls::TlsServerCredentials(options);
  credentials->SetAuthMetadataProcessor(std::move(access));
  return credentials;
}

std::shared_ptr<grpc::ServerCredentials> PublicServerCredentials(const std::string& certificate, const std::string& key) {
  auto provider = std::make_shared<tls::FileWatcherCertificateProvider>(key, certificate, kRefreshSeconds);
  tls::TlsServerCredentialsOptions options(provider);
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return tls::TlsServerCredentials(options);
}

std::shared_ptr<grpc::Channel> Connect(const std::string& target, const ChannelOptions& o) {
  auto provider = std::make_shared<tls::FileWatcherCertificateProvider>(o.tls.key, o.tls.certificate, o.tls.ca, kRefreshSeconds);
  tls::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(provider);
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_verify_server_certs(true);
  options.set_check_call_host(false);  // the URI SAN is the name that counts
  options.set_certificate_verifier(
      tls::ExternalCertificateVerifier::Create<PinServerUri>(IdentityUri(o.server, o.trust_domain)));
  grpc::ChannelArguments args;
  SetConnectionBehaviour(args, o.own_connection);
  // The name that TLS indicates to the server: a list of addresses is none, so the first one stands for it.
  if (const size_t comma = target.find(','); comma != std::string::npos) {
    args.SetSslTargetNameOverride(target.substr(0, target.rfind(':', comma)));
  }
  return grpc::CreateCustomChannel(TargetOf(target), tls::TlsCredentials(options), args);
}

}  // namespace flattone::rpc
