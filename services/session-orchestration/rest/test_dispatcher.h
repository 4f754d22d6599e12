// A dispatcher for the door's tests: remembers what it was asked and answers what it was told.
#pragma once

#include <google/protobuf/message.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

#include "flattone/session/v1/session.pb.h"
#include "services/session-orchestration/rest/dispatcher.h"

namespace flattone::session {

// A tape of events with numbers 1, 2, 3 …, read from a position; news come by Append.
class Tape {
 public:
  void Append(int count = 1) {
    std::vector<std::function<void()>> wakes;
    {
      std::lock_guard<std::mutex> lock(mutex);
      length += count;
      wakes.swap(waiting);
    }
    for (auto& wake : wakes) wake();
  }
  void End(absl::Status status) {
    {
      std::lock_guard<std::mutex> lock(mutex);
      end = std::move(status);
    }
    Append(0);
  }
  std::mutex mutex;
  int length = 0;
  absl::Status end;
  size_t padding = 0;
  int readers = 0;
  std::vector<std::function<void()>> waiting;
};

class TapeStream final : public RpcStream {
 public:
  TapeStream(Tape* tape, int position) : tape_(tape), position_(position) {
    std::lock_guard<std::mutex> lock(tape_->mutex);
    ++tape_->readers;
  }
  ~TapeStream() override {
    std::lock_guard<std::mutex> lock(tape_->mutex);
    --tape_->readers;
  }
  absl::Status Poll(size_t max, std::vector<StreamItem>* out) override {
    std::lock_guard<std::mutex> lock(tape_->mutex);
    while (position_ < tape_->length && out->size() < max) {
      auto event = std::make_unique<v1::Event>();
      event->set_session_sequence(++position_);
      event->set_message(std::string(tape_->padding, 'x'));
      out->push_back({std::move(event), std::to_string(position_), "payment.captured"});
    }
    return position_ < tape_->length ? absl::OkStatus() : tape_->end;
  }
  void OnReady(std::function<void()> wake) override {
    {
      std::lock_guard<std::mutex> lock(tape_->mutex);
      if (position_ == tape_->length && tape_->end.ok()) {
        tape_->waiting.push_back(std::move(wake));
        return;
      }
    }
    wake();
  }

 private:
  Tape* tape_;
  int position_;
};

class TestDispatcher final : public RpcDispatcher {
 public:
  absl::StatusOr<std::unique_ptr<google::protobuf::Message>> Call(const std::string& method, const google::protobuf::Message& request,
                                                                  const CallContext& context) override {
    std::lock_guard<std::mutex> lock(mutex);
    last_method = method;
    last_request = request.ShortDebugString();
    last_context = context;
    ++calls;
    if (!refusal.ok()) return refusal;
    auto session = std::make_unique<v1::Session>();
    session->set_id("ses_1");
    session->mutable_intent()->mutable_amount()->set_amount_minor(9007199254740993);
    return session;
  }
  absl::StatusOr<std::unique_ptr<RpcStream>> OpenStream(const std::string& method, const google::protobuf::Message& request,
                                                        const std::string& last_event_id, const CallContext& context) override {
    std::lock_guard<std::mutex> lock(mutex);
    last_method = method;
    last_request = request.ShortDebugString();
    last_context = context;
    if (!refusal.ok()) return refusal;
    return std::make_unique<TapeStream>(&tape, last_event_id.empty() ? 0 : std::stoi(last_event_id));
  }

  std::mutex mutex;
  std::string last_method, last_request;
  CallContext last_context;
  int calls = 0;
  absl::Status refusal;
  Tape tape;
};

}  // namespace flattone::session
