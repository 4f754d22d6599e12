#include "services/session-orchestration/rest_listener.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/session-orchestration/payment/payment_service.h"

namespace flattone::session {
namespace {

constexpr int kHandlerThreads = PaymentService::kMaxWaiting + 32;  // a payment that is waited for holds one

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

// Another text when either file was written or replaced.
std::string StampOf(const rpc::TlsFiles& tls) {
  std::string stamp;
  for (const std::string& path : {tls.certificate, tls.key}) {
    struct stat info {};
    if (stat(path.c_str(), &info) == 0) absl::StrAppend(&stamp, info.st_ino, ":", info.st_mtim.tv_sec, ".", info.st_mtim.tv_nsec, ":", info.st_size, " ");
  }
  return stamp;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RestListener>> RestListener::Start(const std::string& address, const rpc::TlsFiles& tls,
                                                                  RpcDispatcher& dispatcher, Random& random,
                                                                  obs::Registry& registry) {
  auto options = OptionsOf(address, tls);
  if (!options.ok()) return options.status();
  std::unique_ptr<RestListener> listener(new RestListener(tls));
  listener->stamp_ = StampOf(tls);
  auto door = rest::RestDoor::Make({}, rest::PublicServices(), &dispatcher, random, registry);
  if (!door.ok()) return door.status();
  listener->door_ = std::move(*door);
  auto server = http::HttpServer::Start(std::move(*options), [door = listener->door_.get()](http::Request request, http::ResponseWriter writer) {
    door->Handle(std::move(request), std::move(writer));
  });
  if (!server.ok()) return server.status();
  listener->server_ = std::move(*server);
  listener->Export(registry);
  return listener;
}

absl::Status RestListener::RefreshTls() {
  const std::string stamp = StampOf(tls_);
  if (stamp == stamp_) return absl::OkStatus();
  if (absl::Status read = server_->ReloadTls(); !read.ok()) return read;
  stamp_ = stamp;
  return absl::OkStatus();
}

// What the server refuses by itself never reaches the door and its counters.
void RestListener::Export(obs::Registry& registry) {
  const http::ServerCounters& counters = server_->counters();
  const auto refused = [&](const char* reason, const std::atomic<uint64_t>& counter) {
    meters_.push_back(std::make_unique<obs::GaugeFunction>(registry, "flattone_session_http_refused_total", "HTTP requests and connections that the server refused by itself, by reason",
                                                           [&counter] { return static_cast<double>(counter); }, obs::Labels{{"reason", reason}}));
  };
  refused("header_too_large", counters.header_too_large);
  refused("body_too_large", counters.body_too_large);
  refused("malformed", counters.malformed);
  refused("too_slow", counters.timeouts);
  refused("overloaded", counters.overloaded);
  refused("tls", counters.tls_failures);
  refused("too_many_connections", counters.connections_refused);
  refused("slow_stream", counters.streams_overrun);
  meters_.push_back(std::make_unique<obs::GaugeFunction>(registry, "flattone_session_http_connections", "HTTP connections that are open",
                                                         [&counters] { return static_cast<double>(counters.connections_open); }));
}

}  // namespace flattone::session
