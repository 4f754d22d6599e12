// How long the hop waits for company: not at all for a few legs, 2 ms for more than 20, 5 ms for more than 200. On a clock that
// moves when told.
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "libs/testing/catch.h"
#include "services/media-relay/call_ends.h"
#include "services/media-relay/hop/hop.h"

namespace flattone::relay {
namespace {

constexpr int64_t kMicrosecond = 1'000;

// Read by the hop's thread, moved by the test's.
class HandClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::UnixEpoch() + absl::Nanoseconds(nanos_.load()); }
  int64_t MonotonicNanos() const override { return nanos_; }
  void Advance(int64_t nanos) { nanos_ += nanos; }

 private:
  std::atomic<int64_t> nanos_{1'000'000'000};
};

struct BatchRig {
  BatchRig()
      : meters(registry), log({.service = "media-relay"}, SystemClock(), registry, [](std::string_view) {}), link(1024), masker(0x11),
        hop({{"only", masker.Channel()}}, clock, meters, log) {
    hop.SetShards({{&link, [] {}}});
    hop.Start();
  }
  ~BatchRig() { hop.Stop(); }

  static bool Until(const std::function<bool()>& condition) {
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    for (int i = 0; i < 5000 && !condition(); ++i) never.wait_for(lock, std::chrono::milliseconds(1));
    return condition();
  }
  // Answers go on coming: they are not what is looked at.
  void Drain() {
    while (link.from_hop.Front() != nullptr) link.from_hop.Release();
  }
  bool OpenLegs(int count) {
    for (int i = 0; i < count; ++i) {
      MaskedLegSpec spec;
      spec.leg = hop.NewLeg();
      hop.Open(spec);
    }
    return Until([&] {
      Drain();
      return masker.opened == count;
    });
  }
  // One frame, and the hop has taken it from the ring.
  bool Frame(uint32_t leg) {
    const double before = registry.Value("flattone_relay_hop_written_frames_total");
    ToHop* record = link.to_hop.Claim();
    *record = ToHop();
    record->leg = leg;
    record->sequence = ++sequence_;
    record->timestamp = sequence_ * 160;
    record->size = 160;
    record->payload.fill(0x55);
    link.to_hop.Publish();
    return Until([&] {
      Drain();
      return registry.Value("flattone_relay_hop_written_frames_total") == before + 1;
    });
  }
  bool Arrive(int frames) {
    return Until([&] {
      Drain();
      return masker.frames == frames;
    });
  }

  obs::Registry registry;
  HopMeters meters;
  obs::Logger log;
  HandClock clock;
  HopLink link;
  testing::FakeMasker masker;
  GrpcMaskerHop hop;

 private:
  uint32_t sequence_ = 0;
};

TEST_CASE("With few legs each frame leaves at once, however the clock stands") {
  BatchRig rig;
  REQUIRE(rig.OpenLegs(20));
  for (int n = 1; n <= 5; ++n) {
    REQUIRE(rig.Frame(static_cast<uint32_t>(n)));
    CHECK(rig.Arrive(n));
  }
  CHECK(rig.masker.batches == 5);
}

TEST_CASE("With many legs frames wait for company, share one batch, and none waits longer than its limit") {
  const int legs = GENERATE(21, 200, 201);
  CAPTURE(legs);
  const int64_t limit = (legs <= 200 ? 2'000 : 5'000) * kMicrosecond;
  BatchRig rig;
  REQUIRE(rig.OpenLegs(legs));
  constexpr int kFrames = 10;
  // Over the whole time that the first of them may wait, each in a round of its own.
  for (int n = 0; n < kFrames; ++n) {
    if (n > 0) rig.clock.Advance((limit - kMicrosecond) / (kFrames - 1));
    REQUIRE(rig.Frame(static_cast<uint32_t>(1 + n)));
  }
  CHECK(rig.masker.frames == 0);
  CHECK(rig.registry.Value("flattone_relay_hop_written_frames_total") == kFrames);
  rig.clock.Advance(2 * kMicrosecond);  // now the oldest is as old as it may be, the newest was taken a moment ago
  CHECK(rig.Arrive(kFrames));
  CHECK(rig.masker.batches == 1);
  // The next batch has a time of its own.
  REQUIRE(rig.Frame(1));
  rig.clock.Advance(limit - kMicrosecond);
  REQUIRE(rig.Frame(2));
  CHECK(rig.masker.frames == kFrames);
  rig.clock.Advance(kMicrosecond);
  CHECK(rig.Arrive(kFrames + 2));
  CHECK(rig.masker.batches == 2);
}

}  // namespace
}  // namespace flattone::relay
