// The REST door: HTTP requests into calls of the RpcDispatcher, answers into JSON, streams into server-sent events.
//
//   auto door = RestDoor::Make({}, PublicServices(), &dispatcher, random, registry).value();
//   HttpServer::Start(options, [&](http::Request r, http::ResponseWriter w) { door->Handle(std::move(r), std::move(w)); });
//
// Drain the server before the door is destroyed.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/random.h"
#include "libs/http/server.h"
#include "libs/obs/metrics.h"
#include "services/session-orchestration/rest/dispatcher.h"
#include "services/session-orchestration/rest/routes.h"
#include "services/session-orchestration/rest/worker_pool.h"

namespace flattone::session::rest {

struct DoorOptions {
  absl::Duration heartbeat = absl::Seconds(15);
  int stream_threads = 2;
  int max_streams = 2000;  // open at once; over it 503 "too_many_streams"
};

class RestDoor {
 public:
  // INVALID_ARGUMENT when the service's annotations cannot be served.
  static absl::StatusOr<std::unique_ptr<RestDoor>> Make(DoorOptions options, const std::vector<const google::protobuf::ServiceDescriptor*>& services,
                                                        RpcDispatcher* dispatcher, Random& random, obs::Registry& registry);
  ~RestDoor();

  // Any thread; blocks as long as the dispatcher does.
  void Handle(http::Request request, http::ResponseWriter writer);

  int open_streams() const { return streams_; }

 private:
  RestDoor(DoorOptions options, Routes routes, RpcDispatcher* dispatcher, Random& random, obs::Registry& registry,
           std::string openapi);
  absl::StatusOr<http::Response> Answer(const http::Request& request, const CallContext& context, http::ResponseWriter* writer,
                                        const std::string& trace_id);
  absl::Status Stream(const Routes::Match& match, const google::protobuf::Message& message, const http::Request& request,
                      const CallContext& context, http::ResponseWriter* writer, const std::string& trace_id);

  const DoorOptions options_;
  const Routes routes_;
  RpcDispatcher* const dispatcher_;
  Random& random_;
  const std::string openapi_;
  std::atomic<int> streams_{0};
  obs::CounterFamily requests_, refusals_;
  obs::Gauge open_;
  WorkerPool pool_;
};

// What the request says about its caller. Unchecked.
CallContext ContextOf(const http::Request& request);

}  // namespace flattone::session::rest
