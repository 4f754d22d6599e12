#include "libs/obs/exposer.h"

#include <exception>
#include <vector>

#include <prometheus/exposer.h>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/obs/metrics_store.h"

namespace flattone::obs {

struct Exposer::Impl {
  explicit Impl(std::vector<std::string> options) : exposer(std::move(options)) {}
  prometheus::Exposer exposer;
};

Exposer::Exposer(std::unique_ptr<Impl> impl, int port) : impl_(std::move(impl)), port_(port) {}
Exposer::~Exposer() = default;

absl::StatusOr<std::unique_ptr<Exposer>> Exposer::Start(std::string_view address, const Registry& registry) {
  try {
    auto impl = std::make_unique<Impl>(
        std::vector<std::string>{"listening_ports", std::string(address), "num_threads", "2"});
    const std::vector<int> ports = impl->exposer.GetListeningPorts();
    impl->exposer.RegisterCollectable(registry.shared_store());
    return std::unique_ptr<Exposer>(new Exposer(std::move(impl), ports.empty() ? 0 : ports.front()));
  } catch (const std::exception&) {
    return InvalidField("metrics_address", absl::StrCat("'", std::string(address), "' cannot be bound"),
                        "a free local address and port such as 127.0.0.1:9100, or port 0");
  }
}

}  // namespace flattone::obs
