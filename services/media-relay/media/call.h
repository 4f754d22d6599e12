// A call as its shard holds it: two legs, two directions, and the secure path of caller→agent while there is one.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "services/media-relay/media/address_learner.h"
#include "services/media-relay/media/direction.h"
#include "services/media-relay/media/payload_map.h"
#include "services/media-relay/media/recent_sound.h"
#include "services/media-relay/media/secure_path.h"

namespace flattone::relay {

enum class Side : uint8_t { kCaller = 0, kAgent = 1 };
constexpr Side Other(Side side) { return side == Side::kCaller ? Side::kAgent : Side::kCaller; }
constexpr size_t Index(Side side) { return static_cast<size_t>(side); }

// What an offer or answer says about one leg.
struct LegConfig {
  LearningRules learning;
  bool rtcp_mux = false;  // both RTP and RTCP on the RTP port
  bool held = false;
};

struct MediaLeg {
  AddressLearner learner;
  LegConfig config;
};

enum class SecureMode : uint8_t { kPlain, kStarting, kSecure, kStopping };

struct MediaCall {
  std::array<MediaLeg, 2> legs;
  // By sender: [kCaller] is caller→agent.
  std::array<Direction, 2> directions;
  // What each side sends, as negotiated: [kCaller] for packets that come from the caller.
  std::array<PayloadMap, 2> payloads;
  std::unique_ptr<SecurePath> secure;
  RecentSound recent;  // of the caller
  int64_t created = 0;
  int64_t last_packet = 0;
  bool answered = false;
  bool reported_idle = false;
  uint32_t keys = 0;
  uint32_t masker_changes = 0;
  bool codec_changed = false;          // and not told yet
  int64_t codec_told = INT64_MIN / 2;  // when one was told last

  SecureMode Mode() const {
    if (!secure) return SecureMode::kPlain;
    if (secure->stop_asked()) return SecureMode::kStopping;
    return secure->opened() ? SecureMode::kSecure : SecureMode::kStarting;
  }
};

// A copy for control threads.
struct CallSnapshot {
  std::array<DirectionCounts, 2> counts;
  std::array<uint64_t, 2> lost{};
  std::array<uint64_t, 2> jitter_us{};
  std::array<Endpoint, 2> remotes;
  SecureMode mode = SecureMode::kPlain;
  PayloadKind caller_audio = PayloadKind::kUnknown;  // the codec heard last
  uint8_t caller_payload_type = 0;
  uint16_t caller_samples = 160;
  uint32_t keys = 0;
  uint32_t masker_changes = 0;
};

}  // namespace flattone::relay
