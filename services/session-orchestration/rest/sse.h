// One server stream as server-sent events: pulls from the RpcStream when the client has read what was sent, waits
// without a thread when there is nothing, says ":" every few seconds, ends with the stream.
#pragma once

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "libs/http/server.h"
#include "services/session-orchestration/rest/dispatcher.h"
#include "services/session-orchestration/rest/worker_pool.h"

namespace flattone::session::rest {

// Starts the stream; it lives until client or stream end. `pool` outlives it. `on_end` is called once.
void StartSse(std::unique_ptr<RpcStream> source, std::shared_ptr<http::StreamWriter> client, WorkerPool* pool,
              absl::Duration heartbeat, std::string trace_id, std::function<void()> on_end);

// "id: 7\nevent: payment.captured\ndata: {…}\n\n"; line breaks in id and event are dropped, in data split.
std::string FormatEvent(const std::string& id, const std::string& event, const std::string& data);

}  // namespace flattone::session::rest
