// The hop to the maskers: one thread on one completion queue. Frames come from the shards' rings, go out in adaptive
// batches, and masked frames go back through the rings.
//
// Streams to two maskers are open; a leg lives on one. When a shard says that a leg has no answers, the stream is
// given up at once and all its legs are opened anew, with a higher epoch, on the other; where the stream has answered
// others meanwhile, that leg alone. On the wire each opening has a number of its own, so what an earlier one still
// answers is ignored.
//
// hop.cc: the thread, rings in, batches out. hop_legs.cc: which leg is with which masker. hop_answers.cc: what
// maskers say, rings out.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "libs/base/clock.h"
#include "libs/obs/log.h"
#include "services/media-relay/call/masker_hop.h"
#include "services/media-relay/hop/meters.h"
#include "services/media-relay/hop/stream.h"
#include "services/media-relay/media/hop_link.h"

namespace flattone::relay {

class GrpcMaskerHop final : public MaskerHop {
 public:
  struct Masker {
    std::string name;  // its address, for logs
    std::shared_ptr<grpc::Channel> channel;
  };
  struct Shard {
    HopLink* link = nullptr;
    std::function<void()> wake;
  };
  static constexpr size_t kStreams = 2;
  static constexpr size_t kBacklog = 8192;  // frames waiting for one stream; more are dropped and counted

  GrpcMaskerHop(std::vector<Masker> maskers, const Clock& clock, HopMeters& meters, obs::Logger& log);
  ~GrpcMaskerHop() override;

  // Before Start(), which needs at least one shard.
  void SetShards(std::vector<Shard> shards) { shards_ = std::move(shards); }
  void SetSink(LegNoticeSink sink) { sink_ = std::move(sink); }
  void Start();
  void Stop();

  bool Ready() const override { return ready_.load() > 0; }
  uint32_t NewLeg() override { return next_leg_.fetch_add(1); }
  void Open(const MaskedLegSpec& spec) override;
  void Close(uint32_t leg) override;

 private:
  struct Leg {
    MaskedLegSpec spec;
    uint32_t wire = 0;              // this opening's number; 0: on no stream
    MaskerStream* stream = nullptr;
    uint64_t generation = 0;
    bool opened = false;            // now
    bool was_opened = false;        // ever
    bool keyless = false;           // its capture is gone: masked, and nobody receives its keys
    size_t refusals = 0;            // by maskers without room, one after the other
  };
  // A change of a leg's state, for its shard.
  struct Control {
    uint32_t shard = 0;
    FromHop::Type type = FromHop::Type::kOpened;
    uint32_t leg = 0;
    uint32_t opening = 0;
    uint32_t timestamp = 0;
  };
  struct Command {
    enum class Type : uint8_t { kOpen, kClose } type = Type::kOpen;
    MaskedLegSpec spec;
  };

  void Loop();
  void RunCommands();
  void DrainShards(int64_t now);
  void TakeRecord(const ToHop& record, int64_t now);
  void ChangeCodec(Leg& leg, const ToHop& record);
  void SendFrame(Leg& leg, const ToHop& record, int64_t now);
  void OpenOn(Leg& leg, MaskerStream* stream);
  void Detach(Leg& leg, bool tell_masker);
  void TakeStall(Leg& leg, uint32_t opening, int64_t now);
  void Move(Leg& leg, MaskerStream* to, const std::string& why);
  bool AskAnother(Leg& leg);
  void MoveLegsOf(MaskerStream* stream, const std::string& why);
  void PlaceHomeless();
  MaskerStream* Choose(const MaskerStream* avoid) const;
  void TakeMessage(MaskerStream* stream, int64_t now);
  void TakeEvent(const flattone::masking::v1::LegEvent& event);
  void TakeMasked(const flattone::masking::v1::MaskedFrame& frame);
  void PushControl(const Leg& leg, FromHop::Type type, uint32_t timestamp);
  void PushOverflow();
  void FlushStreams(int64_t now);
  int64_t FlushAfter() const;
  void Tell(const Leg& leg, LegNotice::Kind kind, const std::string& detail = {});
  uint32_t NextEpoch();
  void CountReady();

  const Clock& clock_;
  HopMeters& meters_;
  obs::Logger& log_;
  std::vector<Shard> shards_;
  LegNoticeSink sink_;
  grpc::CompletionQueue queue_;
  int live_calls_ = 0;
  std::vector<std::unique_ptr<MaskerStream>> streams_;
  absl::flat_hash_map<uint32_t, Leg> legs_;
  absl::flat_hash_map<uint32_t, uint32_t> by_wire_;
  uint32_t next_wire_ = 1;
  uint32_t epoch_ = 0;
  std::vector<bool> to_wake_;
  std::deque<Control> overflow_;  // of records that found a ring full

  std::atomic<uint32_t> next_leg_{1};
  std::atomic<int> ready_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<Command> commands_;
  std::thread thread_;
};

}  // namespace flattone::relay
