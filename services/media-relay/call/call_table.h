// The relay's calls as control sees them: offers and answers, found by (tenant, reference) or (tenant, id), secured by
// the orchestrator or protected by an edge, opened again only by the orchestrator.
//
//   plain ──StartSecure, Protect──▶ starting ──masker has opened──▶ secure ──StopSecure──▶ stopping ──quiet──▶ plain
//                                      │ refused: what it was before                          └─ StartSecure of the next
//
// Another tenant's call is NOT_FOUND, exactly like an unknown one. All methods are thread-safe; none waits for the
// network. What shards and hop tell comes through the worker's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/obs/log.h"
#include "libs/sdp/description.h"
#include "services/media-relay/call/edge_directory.h"
#include "services/media-relay/call/masker_hop.h"
#include "services/media-relay/call/negotiation.h"
#include "services/media-relay/call/worker.h"
#include "services/media-relay/io/port_block.h"
#include "services/media-relay/io/shard_loop.h"

namespace flattone::relay {

struct SdpRequest {
  std::string edge_id;
  std::string tenant_id;
  std::string call_reference;
  std::optional<Side> from;
  std::string sdp;
  LearningRequest learning;
  obs::TraceContext trace;
};
struct SdpReply {
  std::string call_id;
  std::string sdp;
};

struct LegView {
  Endpoint local;
  Endpoint remote;
  std::string codec;
  uint32_t ptime_ms = 0;
};
// All that may be told about a call.
struct CallView {
  std::string call_id, tenant_id, call_reference, edge_id, capture_id;
  SecureMode mode = SecureMode::kPlain;
  std::array<LegView, 2> legs;
  int64_t created_ms = 0;
  int64_t duration_ms = 0;
  uint32_t captures = 0;
  CallSnapshot media;
};

struct FlatToneRequest {
  uint32_t frequency_hz = 0;
  int32_t level_tenth_dbm0 = 0;
  uint32_t duration_ms = 0;
};
struct SecureRequest {
  std::string tenant_id;
  std::string call_id;
  std::string capture_id;
  std::string vault_address;
  FlatToneRequest tone;
  obs::TraceContext trace;
};
struct SecureReply {
  SecureMode mode = SecureMode::kSecure;
  std::string codec;
};
using SecureDone = std::function<void(absl::StatusOr<SecureReply>)>;

// What the orchestrator is told.
struct CallEvent {
  enum class Kind : uint8_t { kStarted, kEnded, kProtection, kMaskerLost, kMaskerReplaced, kCodecChanged, kKeyLost };
  Kind kind = Kind::kStarted;
  CallView call;
  std::string detail;
  int64_t time_ms = 0;
};
using CallEventSink = std::function<void(CallEvent)>;

struct CallTableOptions {
  uint32_t slots = 4096;         // per shard
  int64_t start_limit_ns = 3'000'000'000;  // for a masker to open a leg
  SecureLimits limits;
};

class CallMeters {
 public:
  explicit CallMeters(obs::Registry& registry);
  obs::Counter started, ended, idle, captures, protections, start_failed, refused_draining, refused_capacity, malformed_sdp;
  obs::Gauge calls, secure_calls;
};

class CallTable {
 public:
  // `shards`, `ports`, `hop`, `edges` must outlive the table; `events` is called on the worker's or a caller's thread.
  CallTable(const CallTableOptions& options, std::vector<ShardLoop*> shards, std::vector<HopLink*> links, PortBlock& ports,
            MaskerHop& hop, EdgeDirectory& edges, CallEventSink events, const Clock& clock, Random& random,
            CallMeters& meters, obs::Logger& log);
  ~CallTable();

  absl::StatusOr<SdpReply> Offer(const SdpRequest& request);
  absl::StatusOr<SdpReply> Answer(const SdpRequest& request);
  // The call's last state, with its statistics.
  absl::StatusOr<CallView> Delete(const std::string& edge_id, const std::string& tenant_id, const std::string& reference);
  absl::StatusOr<CallView> Query(const std::string& edge_id, const std::string& tenant_id, const std::string& reference);
  void Protect(const std::string& edge_id, const std::string& tenant_id, const std::string& reference,
               const obs::TraceContext& trace, SecureDone done);

  absl::StatusOr<CallView> Find(const std::string& tenant_id, const std::string& reference);
  absl::StatusOr<CallView> Get(const std::string& tenant_id, const std::string& call_id);
  // `done` is called once, on this or the worker's thread.
  void StartSecure(const SecureRequest& request, SecureDone done);
  absl::StatusOr<SecureMode> StopSecure(const std::string& tenant_id, const std::string& call_id, const std::string& capture_id);

  // From a shard's and from the hop's thread; never block.
  void OnNotice(uint32_t shard, const Notice& notice);
  void OnLegNotice(LegNotice notice);

  // New calls are refused from now on; those that are there go on.
  void SetDraining(bool draining);
  size_t calls() const;
  size_t secure_calls() const;
  size_t capacity() const { return size_t{options_.slots} * shards_.size(); }
  // Ends all calls (the drain's deadline).
  void EndAll(const std::string& why);

 private:
  struct Leg {
    PortPair ports;
    std::optional<sdp::Audio> audio;  // what the other side is bound to
    bool offered_mux = false;
  };
  struct SecureState {
    uint32_t leg = 0;
    std::string capture_id;  // whose protection this is
    bool receives_keys = true;
    bool opened = false;
    bool stopping = false;
    // Before this start: where a refusal goes back to.
    bool was_secure = false;
    bool was_stopping = false;
    int64_t deadline = 0;
    std::string codec;
    SecureRequest request;
    std::vector<SecureDone> waiting;
  };
  struct Call {
    std::string id, tenant, reference, edge;
    obs::TraceContext trace;
    uint32_t shard = 0, slot = 0;
    std::array<Leg, 2> legs;
    struct Offered {
      Side from = Side::kCaller;
      sdp::Audio audio;
      LegConfig config;
      PortPair ports;  // open where the answer moves the leg to the other IP family
    };
    std::optional<Offered> offered;
    bool answered = false;
    int64_t created = 0, created_ms = 0;
    uint32_t captures = 0;
    std::optional<SecureState> secure;
  };
  using Key = std::pair<std::string, std::string>;

  static absl::Status NotFound();
  // A request's SDP and how its side is to be learnt; counted when they cannot be used.
  struct Described {
    sdp::Description description;
    LegConfig config;
  };
  absl::StatusOr<Described> Read(const SdpRequest& request);
  Call* FindByReference(const std::string& tenant, const std::string& reference);
  Call* FindById(const std::string& tenant, const std::string& id);
  Call* FindByLeg(uint32_t leg);
  absl::StatusOr<Call*> FindForEdge(const std::string& edge, const std::string& tenant, const std::string& reference);
  absl::StatusOr<Call*> NewCall(const SdpRequest& request, bool ipv6);
  absl::StatusOr<PortPair> PortsOfOtherFamily(const Call& call, Side side, const sdp::Audio& audio);
  void MoveTo(Call& call, Side side, PortPair ports);
  void DropOffer(Call& call);
  void ApplyAnswer(Call& call, Side answerer, const sdp::Audio& audio, const LegConfig& config);
  std::optional<std::pair<uint32_t, uint32_t>> TakeSlot();
  CallView ViewOf(Call& call);
  absl::StatusOr<CallView> End(Call& call, const std::string& why);
  void Secure(Call& call, const SecureRequest& request, SecureDone done);
  absl::StatusOr<sdp::Codec> CodecToMask(Call& call, const CallSnapshot& media) const;
  void Install(Call& call, SecureState state, const sdp::Codec& codec, uint32_t ptime_ms);
  void FinishStart(Call& call, const absl::Status& status, std::vector<std::function<void()>>& later);
  void Tell(Call& call, CallEvent::Kind kind, const std::string& detail = {});
  // The call is plain again: whose protection that was has to be said, the call itself knows no capture any more.
  void TellPlain(Call& call, const std::string& capture_id);
  void Tick();
  void TakeNotice(uint32_t shard, const Notice& notice);
  void TakeLegNotice(const LegNotice& notice);

  const CallTableOptions options_;
  const std::vector<ShardLoop*> shards_;
  const std::vector<HopLink*> links_;
  PortBlock& ports_;
  MaskerHop& hop_;
  EdgeDirectory& edges_;
  CallEventSink events_;
  const Clock& clock_;
  Random& random_;
  CallMeters& meters_;
  obs::Logger& log_;

  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Call>> calls_;  // by id
  std::map<Key, Call*> by_reference_;
  absl::flat_hash_map<uint32_t, Call*> by_leg_;
  absl::flat_hash_map<uint64_t, Call*> by_slot_;  // shard << 32 | slot
  std::vector<std::vector<uint32_t>> free_slots_;
  bool draining_ = false;
  Worker worker_;  // last: it ends first
};

}  // namespace flattone::relay
