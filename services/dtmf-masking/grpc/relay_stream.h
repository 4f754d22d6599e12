// One relay's stream without its transport: requests in, responses out, many legs. Opening, codec changes, frames
// and closing of one request are taken in that order. Answers and leg events gather in pending() until the
// transport takes them. Whatever becomes of a capture or of the vault, an open leg stays masked.
// Loop thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "flattone/masking/v1/masking.pb.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/obs/log.h"
#include "services/dtmf-masking/grpc/meters.h"
#include "services/dtmf-masking/keys/key_sender.h"
#include "services/dtmf-masking/stream/leg.h"

namespace flattone::masking {

struct StreamLimits {
  int64_t oldest_frame_ns = 200'000'000;
  int most_legs = 2000;               // of the whole process
  std::string default_vault;          // used when a leg names none
  KeySenderLimits keys;
};

// What all streams of the process share.
struct Shared {
  StreamLimits limits;
  const Clock& clock;
  Random& random;
  obs::Logger& log;
  Meters& meters;
  // The way to the vault replica at this address; shared by its legs.
  std::function<std::shared_ptr<VaultLink>(const std::string& address)> vault;
  int legs = 0;
};

class RelayStream {
 public:
  // `output` is called when pending() gets something outside of Take().
  RelayStream(Shared& shared, std::function<void()> output);
  ~RelayStream();
  RelayStream(const RelayStream&) = delete;
  RelayStream& operator=(const RelayStream&) = delete;

  // Overwrites the payloads of `request`.
  void Take(v1::MaskRequest& request);
  bool has_pending() const { return pending_.frames_size() > 0 || pending_.events_size() > 0; }
  v1::MaskResponse& pending() { return pending_; }
  // No further legs: the process drains.
  void RefuseNew() { refuse_new_ = true; }

 private:
  struct OpenLeg {
    std::string call_id, capture_id;
    obs::TraceContext trace;
    LegOptions options;
    std::unique_ptr<Leg> leg;  // masks from the first frame on, whatever the vault says
    std::shared_ptr<KeySender> keys;  // absent without a capture
  };
  void Open(const v1::OpenLeg& request);
  void Opened(uint32_t id, const absl::Status& status);
  void Refuse(const v1::OpenLeg& request, const std::string& why, bool another_may);
  void Change(const v1::ChangeCodec& request);
  void TakeFrame(const v1::Frame& frame, bool old);
  void Tell(OpenLeg& leg, uint32_t id, const Leg::Report& report, uint32_t timestamp);
  void Close(uint32_t id);
  v1::LegEvent* AddEvent(uint32_t id, v1::LegEventKind kind, uint32_t timestamp);
  bool IsOld(uint64_t sent_ns);

  Shared& shared_;
  const std::function<void()> output_;
  v1::MaskResponse pending_;
  std::map<uint32_t, OpenLeg> legs_;
  bool refuse_new_ = false;
  int64_t least_lag_ = INT64_MAX;  // receiving clock − sending clock, at the fastest
  int64_t lag_seen_ = 0;
};

}  // namespace flattone::masking
