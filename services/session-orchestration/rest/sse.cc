#include "services/session-orchestration/rest/sse.h"

#include <google/protobuf/message.h>

#include "absl/strings/str_cat.h"
#include "services/session-orchestration/rest/bind.h"
#include "services/session-orchestration/rest/problem.h"

namespace flattone::session::rest {
namespace {

constexpr size_t kBatch = 64;

std::string OneLine(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c != '\r' && c != '\n' && c != '\0') out.push_back(c);
  }
  return out;
}

class Pump : public std::enable_shared_from_this<Pump> {
 public:
  Pump(std::unique_ptr<RpcStream> source, std::shared_ptr<http::StreamWriter> client, WorkerPool* pool, std::string trace_id,
       std::function<void()> on_end)
      : source_(std::move(source)), client_(std::move(client)), pool_(pool), trace_id_(std::move(trace_id)),
        on_end_(std::move(on_end)) {}

  void Start(absl::Duration heartbeat) {
    client_->Write("retry: 2000\n\n");
    client_->Every(heartbeat, [client = std::weak_ptr<http::StreamWriter>(client_)] {
      auto writer = client.lock();
      // Not behind unread data: a client that does not read is ended by the write time-out.
      if (writer != nullptr && writer->Queued() == 0) writer->Write(": alive\n\n");
    });
    client_->OnDrained([self = shared_from_this()] { self->Wake(); });
    Wake();
  }

  // Any thread: there may be something to do. Queues one run, or makes the running one go round again.
  void Wake() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (ended_) return;
      again_ = true;
      if (queued_) return;
      queued_ = true;
    }
    pool_->Post([self = shared_from_this()] { self->Run(); });
  }

 private:
  void Run() {
    while (true) {
      {
        std::lock_guard<std::mutex> lock(mutex_);
        if (!again_) {
          queued_ = false;
          return;
        }
        again_ = false;
      }
      if (!Step()) return End();
    }
  }

  // False: the stream is over.
  bool Step() {
    if (client_->Closed()) return false;
    if (client_->Queued() > 0) return true;  // OnDrained wakes us
    std::vector<StreamItem> items;
    if (batch_.empty()) {
      end_ = source_->Poll(kBatch, &items);
      for (const StreamItem& item : items) Add(item);
    }
    if (!batch_.empty()) {
      // One chunk: an empty queue takes any size. A heartbeat may have slipped in; then the next drain brings us back.
      if (!client_->Write(batch_)) return !client_->Closed();
      batch_.clear();
    }
    if (!end_.ok()) {
      if (end_.code() != absl::StatusCode::kOutOfRange) {
        client_->Write(FormatEvent("", "error", ProblemJson(end_, trace_id_)));
      }
      client_->Finish();
      return false;
    }
    if (items.empty()) {
      source_->OnReady([self = weak_from_this()] {
        if (auto pump = self.lock()) pump->Wake();
      });
    } else {
      std::lock_guard<std::mutex> lock(mutex_);
      again_ = true;
    }
    return true;
  }

  void Add(const StreamItem& item) {
    auto json = ToJson(*item.message);
    if (json.ok()) {
      batch_ += FormatEvent(item.id, item.event, *json);
    } else {
      end_ = json.status();
    }
  }

  void End() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (ended_) return;
      ended_ = true;
    }
    source_.reset();
    client_->OnDrained(nullptr);
    on_end_();
  }

  std::unique_ptr<RpcStream> source_;
  std::shared_ptr<http::StreamWriter> client_;
  WorkerPool* pool_;
  const std::string trace_id_;
  std::function<void()> on_end_;
  std::string batch_;  // read from the source, not yet taken by the client's queue
  absl::Status end_;
  std::mutex mutex_;
  bool queued_ = false, again_ = false, ended_ = false;
};

}  // namespace

std::string FormatEvent(const std::string& id, const std::string& event, const std::string& data) {
  std::string out;
  if (!id.empty()) absl::StrAppend(&out, "id: ", OneLine(id), "\n");
  if (!event.empty()) absl::StrAppend(&out, "event: ", OneLine(event), "\n");
  size_t begin = 0;
  while (begin <= data.size()) {
    const size_t end = std::min(data.find('\n', begin), data.size());
    absl::StrAppend(&out, "data: ", data.substr(begin, end - begin), "\n");
    begin = end + 1;
  }
  return out + "\n";
}

void StartSse(std::unique_ptr<RpcStream> source, std::shared_ptr<http::StreamWriter> client, WorkerPool* pool,
              absl::Duration heartbeat, std::string trace_id, std::function<void()> on_end) {
  std::make_shared<Pump>(std::move(source), std::move(client), pool, std::move(trace_id), std::move(on_end))->Start(heartbeat);
}

}  // namespace flattone::session::rest
