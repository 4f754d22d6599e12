// One call followed through every service: W3C Trace Context, level 1 (`traceparent`).
// A TraceContext is a value that is passed explicitly: into log lines, into outgoing calls. There is no
// thread-local "current" one.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libs/base/random.h"

namespace flattone::obs {

class TraceContext {
 public:
  // No trace: TraceId() is empty, Traceparent() too.
  TraceContext() = default;

  // A new trace, sampled.
  static TraceContext New(Random& random);
  // From a header "00-<32 hex>-<16 hex>-<2 hex>"; nothing when malformed, all zero or version ff.
  static std::optional<TraceContext> Parse(std::string_view traceparent);

  // The same trace, a new span: what an outgoing call carries. An empty context stays empty.
  TraceContext Child(Random& random) const;

  bool empty() const;
  bool sampled() const { return (flags_ & 1) != 0; }
  std::string TraceId() const;      // 32 lower-case hex digits
  std::string Traceparent() const;  // the header

 private:
  std::array<uint8_t, 16> trace_{};
  std::array<uint8_t, 8> span_{};
  uint8_t flags_ = 0;
};

}  // namespace flattone::obs
