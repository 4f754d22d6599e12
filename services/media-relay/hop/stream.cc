#include "services/media-relay/hop/stream.h"

#include <algorithm>
#include <cstring>

namespace flattone::relay {
namespace masking = flattone::masking::v1;

void WipeFrames(masking::MaskRequest& request) {
  for (masking::Frame& frame : *request.mutable_frames()) {
    std::string& payload = *frame.mutable_payload();
    if (!payload.empty()) std::memset(payload.data(), 0, payload.size());
  }
}
void WipeFrames(masking::MaskResponse& response) {
  for (masking::MaskedFrame& frame : *response.mutable_frames()) {
    std::string& payload = *frame.mutable_payload();
    if (!payload.empty()) std::memset(payload.data(), 0, payload.size());
  }
}

struct MaskerStream::Call {
  MaskerStream* owner = nullptr;  // null once given up
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<masking::MaskRequest, masking::MaskResponse>> stream;
  masking::MaskResponse incoming;
  std::unique_ptr<masking::MaskRequest> outgoing;
  grpc::Status status;
  Tag start{this, Tag::Op::kStart}, metadata{this, Tag::Op::kMetadata}, read{this, Tag::Op::kRead},
      write{this, Tag::Op::kWrite}, finish{this, Tag::Op::kFinish};
  int pending = 0;  // operations that have not come back
  bool writing = false;
  bool finishing = false;
  bool finished = false;
  int* live = nullptr;

  ~Call() {
    --*live;
    WipeFrames(incoming);
    if (outgoing) WipeFrames(*outgoing);
  }
  void Finish() {
    if (finishing) return;
    finishing = true;
    ++pending;
    stream->Finish(&status, &finish);
  }
};

MaskerStream::MaskerStream(std::string name, std::shared_ptr<grpc::Channel> channel, grpc::CompletionQueue& queue, int& live_calls)
    : name_(std::move(name)), stub_(masking::MaskingService::NewStub(channel)), queue_(queue), live_calls_(live_calls) {}

// The hop drains its queue afterwards; the call ends itself there.
MaskerStream::~MaskerStream() { DropBatches(); }

void MaskerStream::Connect(int64_t now) {
  if (call_ != nullptr || now < retry_at_) return;
  call_ = new Call;
  call_->owner = this;
  call_->live = &live_calls_;
  ++live_calls_;
  call_->stream = stub_->PrepareAsyncMask(&call_->context, &queue_);
  ++call_->pending;
  call_->stream->StartCall(&call_->start);
}

MaskerStream::Event MaskerStream::Complete(Tag* tag, bool ok, int64_t now, MaskerStream** stream) {
  Call* call = tag->call;
  --call->pending;
  MaskerStream* owner = call->owner;
  *stream = owner;
  if (tag->op == Tag::Op::kFinish) call->finished = true;
  if (tag->op == Tag::Op::kWrite) {
    call->writing = false;
    WipeFrames(*call->outgoing);
    call->outgoing.reset();
  }
  if (ok && owner != nullptr && !call->finishing) {
    switch (tag->op) {
      case Tag::Op::kStart:
        owner->open_ = true;
        ++owner->generation_;
        ++call->pending;
        call->stream->ReadInitialMetadata(&call->metadata);
        return Event::kOpened;
      case Tag::Op::kMetadata:
        owner->proven_ = true;
        owner->NextRead();
        return Event::kNothing;
      case Tag::Op::kRead:
        owner->heard_at_ = now;
        return Event::kMessage;
      default: return Event::kNothing;
    }
  }
  // Over, or given up: one Finish, behind which nothing is started any more.
  const bool was_ours = owner != nullptr;
  if (was_ours) owner->Abandon(now);
  call->Finish();
  if (call->finished && call->pending == 0) delete call;
  return was_ours ? Event::kBroken : Event::kNothing;
}

masking::MaskResponse& MaskerStream::message() { return call_->incoming; }

void MaskerStream::NextRead() {
  if (call_ == nullptr) return;
  WipeFrames(call_->incoming);
  call_->incoming.Clear();
  ++call_->pending;
  call_->stream->Read(&call_->incoming, &call_->read);
}

masking::MaskRequest& MaskerStream::batch() {
  if (batches_.empty()) NewBatch();
  return *batches_.back();
}

void MaskerStream::NewBatch() { batches_.push_back(std::make_unique<masking::MaskRequest>()); }

bool MaskerStream::HasBatch() const { return !batches_.empty(); }
bool MaskerStream::writing() const { return call_ != nullptr && call_->writing; }

void MaskerStream::CountFrame(int64_t now) {
  if (waiting_frames_++ == 0) batch_since_ = now;
}

void MaskerStream::Flush(int64_t now) {
  if (!open_ || call_->writing || batches_.empty()) return;
  call_->outgoing = std::move(batches_.front());
  batches_.pop_front();
  waiting_frames_ -= std::min(waiting_frames_, static_cast<size_t>(call_->outgoing->frames_size()));
  batch_since_ = now;
  call_->outgoing->set_sent_ns(static_cast<uint64_t>(now));
  call_->writing = true;
  ++call_->pending;
  call_->stream->Write(*call_->outgoing, &call_->write);
}

void MaskerStream::Abandon(int64_t now) {
  open_ = proven_ = false;
  retry_at_ = now + kPause;
  DropBatches();
  if (call_ == nullptr) return;
  call_->owner = nullptr;
  call_->context.TryCancel();
  call_ = nullptr;
}

void MaskerStream::DropBatches() {
  for (auto& batch : batches_) WipeFrames(*batch);
  batches_.clear();
  waiting_frames_ = 0;
}

}  // namespace flattone::relay
