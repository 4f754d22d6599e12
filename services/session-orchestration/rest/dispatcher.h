// The seam between the doors (REST, gRPC) and the session service: a method's full name, a request message
// and who asks, against an answer. The doors know transport only; the dispatcher knows tenants, idempotency
// and state.
//
//   class SessionDispatcher : public RpcDispatcher { … };       // implemented by the service
//   auto answer = dispatcher.Call("flattone.session.v1.SessionService.CreateSession", *request, context);
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace google::protobuf {
class Message;
}

namespace flattone::session {

// Who asks and how. Credentials are as the client sent them: unchecked.
struct CallContext {
  enum class Credential {
    kNone,
    kBearer,       // Authorization: Bearer …: an API key or an agent token
    kApiKey,       // X-Api-Key
    kAgentCookie,  // cookie flattone_agent: an agent token in a browser
  };
  Credential credential_kind = Credential::kNone;
  std::string credential;
  std::string acting_tenant;    // Flattone-Tenant: the tenant a platform's key acts for, empty when absent
  std::string idempotency_key;  // Idempotency-Key, empty when absent
  std::string traceparent;      // W3C; the door makes one when the client sent none
  std::string remote_address;   // literal IP of the client
  bool same_site = true;        // false: a browser says the request comes from another site (Sec-Fetch-Site)
};

// One message of a server-streaming method.
struct StreamItem {
  std::unique_ptr<google::protobuf::Message> message;
  std::string id;     // SSE id: what the client sends back as Last-Event-ID
  std::string event;  // SSE event name, such as "payment.authorised"
};

// A server stream, pulled by the door so that a slow client costs no thread and no memory.
class RpcStream {
 public:
  virtual ~RpcStream() = default;
  // Appends up to `max` items that are there now; none when there are none yet. Must not wait for news (a
  // database read is fine). OUT_OF_RANGE: the stream is over in an orderly way. Other errors end the stream and
  // are told to the client. Called by one thread at a time.
  virtual absl::Status Poll(size_t max, std::vector<StreamItem>* out) = 0;
  // Calls `wake` once, from any thread (at once, if there is news already), when Poll may have more, or when
  // the credential was revoked. Replaces the one before. The door may destroy the stream without waiting.
  virtual void OnReady(std::function<void()> wake) = 0;
};

class RpcDispatcher {
 public:
  virtual ~RpcDispatcher() = default;

  // A unary method. `method` is package.Service.Method; the request has that method's input type. The answer has
  // its output type. Blocks the calling thread; may be called from many threads.
  virtual absl::StatusOr<std::unique_ptr<google::protobuf::Message>> Call(const std::string& method,
                                                                          const google::protobuf::Message& request,
                                                                          const CallContext& context) = 0;

  // A server-streaming method. `last_event_id` is where the client left off (empty: what the request says). OUT_OF_RANGE:
  // nothing more will ever come.
  virtual absl::StatusOr<std::unique_ptr<RpcStream>> OpenStream(const std::string& method,
                                                                const google::protobuf::Message& request,
                                                                const std::string& last_event_id,
                                                                const CallContext& context) = 0;
};

}  // namespace flattone::session
