#include "services/session-orchestration/rest_listener.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "flattone/session/v1/session.pb.h"
#include "libs/base/error.h"

namespace flattone::session {
namespace {

constexpr int kHandlerThreads = 32;  // a Pay that waits holds one

absl::StatusOr<http::ServerOptions> OptionsOf(const std::string& address, const rpc::TlsFiles& tls) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port) || port > 65535)
    return InvalidField("rest-address", "is " + address, "host:port");
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  if (tls.certificate.empty() || tls.key.empty())
    return InvalidField("public-tls-cert", "or public-tls-key is empty", "given when this service has a public listener");
  http::ServerOptions options;
  options.address = host;
  options.port = static_cast<uint16_t>(port);
  options.tls = {tls.certificate, tls.key};
  options.handler_threads = kHandlerThreads;
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RestListener>> RestListener::Start(const std::string& address, const rpc::TlsFiles& tls,
                                                                  RpcDispatcher& dispatcher, Random& random,
                                                                  obs::Registry& registry) {
  auto options = OptionsOf(address, tls);
  if (!options.ok()) return options.status();
  std::unique_ptr<RestListener> listener(new RestListener());
  const auto* service = v1::CreateSessionRequest::descriptor()->file()->FindServiceByName("SessionService");
  auto door = rest::RestDoor::Make({}, service, &dispatcher, random, registry);
  if (!door.ok()) return door.status();
  listener->door_ = std::move(*door);
  auto server = http::HttpServer::Start(std::move(*options), [door = listener->door_.get()](http::Request request, http::ResponseWriter writer) {
    door->Handle(std::move(request), std::move(writer));
  });
  if (!server.ok()) return server.status();
  listener->server_ = std::move(*server);
  return listener;
}

}  // namespace flattone::session
