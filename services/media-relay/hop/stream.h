// One bidirectional stream to one masker, on the hop's completion queue: batches out, batches in, at most one write in
// flight. Broken or given up, it reconnects after a pause. Only the hop's thread touches it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "flattone/masking/v1/masking.grpc.pb.h"

namespace flattone::relay {

class MaskerStream {
 public:
  // What a finished operation meant for the hop.
  enum class Event { kNothing, kOpened, kMessage, kBroken };

  // One call on the wire; lives until its last operation has come back.
  struct Call;
  struct Tag {
    enum class Op : uint8_t { kStart, kMetadata, kRead, kWrite, kFinish };
    Call* call = nullptr;
    Op op = Op::kStart;
  };

  // `live_calls` counts calls whose operations have not all come back; the queue may be shut down at zero.
  MaskerStream(std::string name, std::shared_ptr<grpc::Channel> channel, grpc::CompletionQueue& queue, int& live_calls);
  ~MaskerStream();

  // Starts when it is idle and its pause is over.
  void Connect(int64_t now);
  // Takes what the queue returned. The stream may since have gone on to another call: such events say kNothing.
  static Event Complete(Tag* tag, bool ok, int64_t now, MaskerStream** stream);
  // The message behind kMessage; the next is read after NextRead().
  flattone::masking::v1::MaskResponse& message();
  void NextRead();

  // The batch to add to. A frame behind it, a change of codec needs a batch of its own: NewBatch().
  flattone::masking::v1::MaskRequest& batch();
  void NewBatch();
  bool HasBatch() const;
  bool writing() const;
  // When the oldest waiting batch was begun.
  int64_t batch_since() const { return batch_since_; }
  size_t waiting_frames() const { return waiting_frames_; }
  void CountFrame(int64_t now);
  // Writes the oldest waiting batch, when none is being written.
  void Flush(int64_t now);

  // Cancels the call and forgets what waited; reconnects after the pause.
  void Abandon(int64_t now);

  bool open() const { return open_; }
  // Its masker has said something since the stream was opened.
  bool proven() const { return proven_; }
  const std::string& name() const { return name_; }
  uint64_t opened_at() const { return generation_; }
  // When a message came last.
  int64_t heard_at() const { return heard_at_; }

  size_t legs = 0;  // kept by the hop

 private:
  static constexpr int64_t kPause = 500'000'000;
  void DropBatches();

  const std::string name_;
  std::unique_ptr<flattone::masking::v1::MaskingService::Stub> stub_;
  grpc::CompletionQueue& queue_;
  int& live_calls_;
  Call* call_ = nullptr;  // owns itself
  bool open_ = false;
  bool proven_ = false;
  uint64_t generation_ = 0;
  int64_t retry_at_ = 0;
  int64_t heard_at_ = 0;
  int64_t batch_since_ = 0;
  size_t waiting_frames_ = 0;
  std::deque<std::unique_ptr<flattone::masking::v1::MaskRequest>> batches_;
};

// Overwrites the payloads of a batch before its memory is given back or used again.
void WipeFrames(flattone::masking::v1::MaskRequest& request);
void WipeFrames(flattone::masking::v1::MaskResponse& response);

}  // namespace flattone::relay
