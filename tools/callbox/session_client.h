// The session API as a CCaaS platform drives it (flattone.session.v1.SessionService over its public listener).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace flattone::call {

struct ApiAccess {
  std::string address;  // host:port of the public gRPC listener
  std::string ca;       // PEM file: who signed its certificate; empty: the machine's authorities
  std::string api_key;
};

struct Intent {
  std::string order_reference;
  int64_t amount_minor = 0;
  std::string currency;
  bool charge = true;  // false: authorise only
};

struct SessionEvent {
  std::string type;  // "session.progress"
  std::string json;  // the whole event
};

class SessionClient {
 public:
  explicit SessionClient(const ApiAccess& access);
  ~SessionClient();

  // The session's id. Any thread; so the others.
  absl::StatusOr<std::string> Create(const std::string& call_reference, const std::string& agent, const Intent& intent);
  absl::Status StartCapture(const std::string& session);
  // The payment as JSON.
  absl::StatusOr<std::string> Pay(const std::string& session);
  absl::Status End(const std::string& session);
  absl::Status Cancel(const std::string& session);
  // Every event until the session ends or `stop` is true; reconnects where the stream broke. Blocks.
  absl::Status Watch(const std::string& session, const std::function<void(const SessionEvent&)>& take,
                     const std::function<bool()>& stop);

 private:
  struct Stub;
  std::string api_key_;
  std::unique_ptr<Stub> stub_;
};

}  // namespace flattone::call
