#include "services/dtmf-masking/grpc/mask_server.h"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>

namespace flattone::masking {

// One relay's stream. Lives until every operation that it began has ended.
class MaskServer::Stream {
 public:
  explicit Stream(MaskServer& server) : server_(server), stream_(&context_) {
    Begin();
    server_.service_.RequestMask(&context_, &stream_, server_.loop_->queue(), server_.loop_->queue(), &accepted_);
  }

  void Drain() {
    if (core_ == nullptr) return;
    core_->RefuseNew();
    Close(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the masker shuts down"));
  }
  bool serving() const { return core_ != nullptr; }

 private:
  // An operation that is a member: no allocation per read or write.
  class Member final : public Operation {
   public:
    Member(Stream& stream, void (Stream::*done)(bool)) : stream_(stream), done_(done) {}
    void Done(bool ok) override {
      Stream& stream = stream_;
      (stream.*done_)(ok);
      if (--stream.operations_ == 0) stream.Reap();  // which may delete this
    }

   private:
    Stream& stream_;
    void (Stream::*done_)(bool);
  };

  void Begin() { ++operations_; }
  void Reap() {
    server_.streams_.erase(this);
    delete this;
  }

  void OnAccepted(bool ok) {
    if (!ok) return;  // the server shuts down
    core_ = std::make_unique<RelayStream>(server_.shared_, [this] { Write(); });
    if (server_.draining_) return Drain();
    server_.Accept();
    Read();
  }

  void Read() {
    if (closing_ || server_.loop_->stopped()) return;
    Begin();
    stream_.Read(&request_, &read_);
  }

  void OnRead(bool ok) {
    if (!ok) return Close(grpc::Status::OK);  // the relay has ended its side, or is gone
    if (closing_) return;
    core_->Take(request_);
    Write();
    // What could not be written at once waits for the write under way; nothing more is read until then.
    read_later_ = core_->has_pending();
    if (!read_later_) Read();
  }

  void Write() {
    if (writing_ || broken_ || finishing_ || !core_->has_pending() || server_.loop_->stopped()) return;
    writing_ = true;
    response_.Clear();
    response_.Swap(&core_->pending());
    Begin();
    stream_.Write(response_, &written_);
  }

  void OnWritten(bool ok) {
    writing_ = false;
    broken_ = !ok;
    if (broken_) return Close(grpc::Status::OK);
    Write();
    if (closing_) return Finish();
    if (std::exchange(read_later_, false)) Read();
  }

  void Close(const grpc::Status& status) {
    if (!closing_) status_ = status;
    closing_ = true;
    Finish();
  }

  void Finish() {
    if (finishing_ || writing_ || server_.loop_->stopped()) return;
    finishing_ = true;
    Begin();
    stream_.Finish(status_, &finished_);
  }

  void OnFinished(bool) { core_.reset(); }

  MaskServer& server_;
  grpc::ServerContext context_;
  grpc::ServerAsyncReaderWriter<v1::MaskResponse, v1::MaskRequest> stream_;
  Member accepted_{*this, &Stream::OnAccepted}, read_{*this, &Stream::OnRead};
  Member written_{*this, &Stream::OnWritten}, finished_{*this, &Stream::OnFinished};
  std::unique_ptr<RelayStream> core_;
  v1::MaskRequest request_;
  v1::MaskResponse response_;
  grpc::Status status_;
  int operations_ = 0;
  bool writing_ = false, closing_ = false, finishing_ = false, broken_ = false;
  bool read_later_ = false;
};

MaskServer::MaskServer(StreamLimits limits, const Clock& clock, Random& random, obs::Logger& log, obs::Registry& registry,
                       Dial dial)
    : random_(random), meters_(registry),
      shared_{.limits = std::move(limits), .clock = clock, .random = random, .log = log, .meters = meters_,
              .vault = [this](const std::string& address) { return Vault(address); }},
      dial_(std::move(dial)) {}

MaskServer::~MaskServer() { Stop(); }

void MaskServer::UseQueue(std::unique_ptr<grpc::ServerCompletionQueue> queue) {
  loop_ = std::make_unique<EventLoop>(std::move(queue));
}

void MaskServer::Start() {
  Accept();
  loop_->Start();
}

void MaskServer::Accept() { streams_.insert(new Stream(*this)); }

std::shared_ptr<VaultLink> MaskServer::Vault(const std::string& address) {
  const auto found = vaults_.find(address);
  if (found != vaults_.end()) return found->second;
  for (auto it = vaults_.begin(); vaults_.size() >= kMostIdleVaults && it != vaults_.end();) {
    const bool unused = it->second.use_count() == 1 && it->second->outstanding() == 0;
    it = unused ? vaults_.erase(it) : std::next(it);
  }
  return vaults_.emplace(address, std::make_shared<GrpcVaultLink>(*loop_, dial_(address), random_)).first->second;
}

bool MaskServer::Idle() const {
  for (const Stream* stream : streams_) {
    if (stream->serving()) return false;
  }
  for (const auto& [address, link] : vaults_) {
    if (link->outstanding() > 0) return false;
  }
  return true;
}

void MaskServer::Drain(absl::Time deadline) {
  if (loop_ == nullptr) return;
  struct Waiter {
    std::mutex mutex;
    std::condition_variable changed;
    bool idle = false;
  };
  const auto waiter = std::make_shared<Waiter>();
  const auto look = std::make_shared<std::function<void()>>();
  *look = [this, waiter, again = std::weak_ptr(look)] {
    if (!Idle()) {
      if (const auto self = again.lock()) loop_->After(absl::Milliseconds(10), [self] { (*self)(); });
      return;
    }
    const std::lock_guard lock(waiter->mutex);
    waiter->idle = true;
    waiter->changed.notify_all();
  };
  const bool posted = loop_->Post([this, look] {
    draining_ = true;
    const std::set<Stream*> streams = streams_;
    for (Stream* stream : streams) stream->Drain();
    (*look)();
  });
  if (!posted) return;
  std::unique_lock lock(waiter->mutex);
  waiter->changed.wait_until(lock, absl::ToChronoTime(deadline), [&] { return waiter->idle; });
}

void MaskServer::Stop() {
  if (loop_ != nullptr) loop_->Stop();
}

}  // namespace flattone::masking
