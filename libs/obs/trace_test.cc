#include "libs/obs/trace.h"

#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"

namespace flattone::obs {
namespace {

constexpr char kExample[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST_CASE("The specification's example survives a round trip") {
  auto trace = TraceContext::Parse(kExample);
  REQUIRE(trace.has_value());
  CHECK(trace->TraceId() == "4bf92f3577b34da6a3ce929d0e0e4736");
  CHECK(trace->Traceparent() == kExample);
  CHECK(trace->sampled());
}

TEST_CASE("Malformed, zero and forbidden headers are refused; a later version is read") {
  for (const char* bad : {"", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                          "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                          "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
                          "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}) {
    CHECK_FALSE(TraceContext::Parse(bad).has_value());
  }
  CHECK(TraceContext::Parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what").has_value());
}

TEST_CASE("A child keeps the trace and changes the span; an empty one stays empty") {
  testing::SeededRandom random(1);
  const TraceContext trace = TraceContext::New(random);
  const TraceContext child = trace.Child(random);
  CHECK(child.TraceId() == trace.TraceId());
  CHECK(child.Traceparent() != trace.Traceparent());
  CHECK(TraceContext().Child(random).Traceparent().empty());
}

}  // namespace
}  // namespace flattone::obs
