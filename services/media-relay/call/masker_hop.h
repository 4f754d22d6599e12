// What the call room wants of the hop: open a leg with a masker, close it, and be told what became of it.
// A seam, so that calls are tested without a network.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace flattone::relay {

struct MaskedLegSpec {
  uint32_t leg = 0;
  uint32_t shard = 0;
  std::string tenant_id;
  std::string call_id;
  std::string capture_id;     // empty: protection without a capture
  std::string vault_address;
  bool a_law = false;
  uint32_t ptime_ms = 20;
  uint32_t tone_frequency_hz = 0;
  int32_t tone_level_tenth_dbm0 = 0;
  uint32_t tone_duration_ms = 0;
  std::string traceparent;
};

// Told on the hop's thread, to be handed on quickly.
struct LegNotice {
  enum class Kind : uint8_t { kOpened, kRefused, kLost, kMoved, kKeyLost };
  Kind kind = Kind::kOpened;
  uint32_t leg = 0;
  std::string detail;
};
using LegNoticeSink = std::function<void(LegNotice)>;

class MaskerHop {
 public:
  virtual ~MaskerHop() = default;
  // Some masker's stream is open. Any thread.
  virtual bool Ready() const = 0;
  // A leg's number, never 0, never used before. Any thread.
  virtual uint32_t NewLeg() = 0;
  // Opens the leg with a masker, now or as soon as one is there; kOpened or kRefused will be told. Any thread.
  virtual void Open(const MaskedLegSpec& spec) = 0;
  virtual void Close(uint32_t leg) = 0;
};

}  // namespace flattone::relay
