#include "services/dtmf-masking/grpc/relay_stream.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "libs/crypto/x25519.h"
#include "libs/dsp/dtmf.h"
#include "libs/dsp/g711.h"
#include "libs/testing/catch.h"
#include "libs/testing/fakes.h"

namespace flattone::masking {
namespace {

class HandVault final : public VaultLink {
 public:
  void GetCaptureKey(const CaptureRef& capture, absl::Duration, KeyDone done) override {
    captures.push_back(capture);
    open_done = std::move(done);
  }
  void SubmitKey(const CaptureRef&, const SealedKey& key, absl::Duration, SubmitDone done) override {
    sent.push_back(key);
    submit_done = std::move(done);
  }
  void After(absl::Duration, std::function<void()> run) override { timers.push_back(std::move(run)); }
  std::vector<CaptureRef> captures;
  KeyDone open_done;
  std::vector<SealedKey> sent;
  SubmitDone submit_done;
  std::vector<std::function<void()>> timers;
};

struct Fixture {
  // What waits for the vault holds the sender, which holds the vault.
  ~Fixture() {
    vault->open_done = nullptr;
    vault->submit_done = nullptr;
    vault->timers.clear();
  }
  v1::OpenLeg Leg(uint32_t id) {
    v1::OpenLeg open;
    open.set_leg(id);
    open.set_tenant_id("ten_a");
    open.set_call_id("call_c");
    open.set_capture_id("cap_b");
    open.set_vault_address("vault:1");
    open.set_masker_epoch(3);
    open.set_codec(v1::CODEC_PCMU);
    open.set_clock_rate(8000);
    open.set_ptime_ms(20);
    return open;
  }
  void Open(uint32_t id) {
    v1::MaskRequest request;
    *request.add_open() = Leg(id);
    stream->Take(request);
    GiveKey();
  }
  void GiveKey() {
    const auto& key = pair->public_key();
    std::exchange(vault->open_done, nullptr)(absl::OkStatus(), {std::string(key.begin(), key.end()), 1});
  }
  // Frames of `sound` for a leg, one request each.
  void Play(uint32_t id, std::span<const int16_t> sound, uint64_t sent_ns = 0) {
    for (size_t at = 0; at + 160 <= sound.size(); at += 160) {
      v1::MaskRequest request;
      request.set_sent_ns(sent_ns);
      v1::Frame* frame = request.add_frames();
      frame->set_leg(id);
      frame->set_kind(v1::FRAME_KIND_AUDIO);
      frame->set_timestamp(static_cast<uint32_t>(at));
      frame->set_sequence(static_cast<uint32_t>(at / 160));
      std::string payload(160, '\0');
      dsp::Encode(dsp::Law::kMu, sound.subspan(at, 160), {reinterpret_cast<uint8_t*>(payload.data()), 160});
      frame->set_payload(payload);
      stream->Take(request);
      const std::string& after = request.frames(0).payload();
      wiped = wiped && std::all_of(after.begin(), after.end(), [](char c) { return c == 0; });
    }
  }
  std::vector<v1::LegEvent> Events(v1::LegEventKind kind) {
    std::vector<v1::LegEvent> found;
    for (const auto& event : stream->pending().events()) {
      if (event.kind() == kind) found.push_back(event);
    }
    return found;
  }

  testing::FakeClock clock;
  testing::SeededRandom random{5};
  obs::Registry registry;
  std::vector<std::string> lines;
  obs::Logger log{{.service = "test"}, clock, registry, [this](std::string_view line) { lines.emplace_back(line); }};
  Meters meters{registry};
  std::shared_ptr<HandVault> vault = std::make_shared<HandVault>();
  Shared shared{.limits = {.most_legs = 2}, .clock = clock, .random = random, .log = log, .meters = meters,
                .vault = [this](const std::string&) { return vault; }};
  int outputs = 0;
  bool wiped = true;
  std::unique_ptr<RelayStream> stream = std::make_unique<RelayStream>(shared, [this] { ++outputs; });
  absl::StatusOr<crypto::X25519KeyPair> pair = crypto::X25519KeyPair::Create(random);
};

TEST_CASE("frames are masked from the first one on; keys reach the vault once it has given the capture's key") {
  Fixture f;
  v1::MaskRequest request;
  *request.add_open() = f.Leg(1);
  f.stream->Take(request);
  std::vector<int16_t> sound(3200);
  dsp::AddKeys(sound, 600, "47", 480, 480);
  f.Play(1, sound);
  CHECK(f.stream->pending().frames_size() == 20);
  CHECK(f.stream->pending().frames(3).sequence() == 3);
  CHECK(f.Events(v1::LEG_EVENT_KIND_OPENED).empty());
  CHECK(f.Events(v1::LEG_EVENT_KIND_KEY_STARTED).size() == 2);
  CHECK(f.vault->sent.empty());
  f.GiveKey();
  CHECK(f.Events(v1::LEG_EVENT_KIND_OPENED).size() == 1);
  CHECK(f.outputs == 1);
  CHECK(f.vault->captures[0].epoch == 3);
  REQUIRE(f.vault->sent.size() == 1);
  CHECK(f.vault->sent[0].ordinal == 1);
  std::exchange(f.vault->submit_done, nullptr)(absl::OkStatus());
  REQUIRE(f.vault->sent.size() == 2);
  CHECK(f.vault->sent[1].ordinal == 2);
}

TEST_CASE("sound from before the start is not answered and tells an old key from a new one") {
  for (const bool told : {false, true}) {
    Fixture f;
    f.Open(1);
    std::vector<int16_t> sound(3200);
    dsp::AddKey(sound, 160, 640, {.symbol = '4'});
    v1::MaskRequest request;
    v1::Frame* frame = request.add_frames();
    frame->set_leg(1);
    frame->set_kind(v1::FRAME_KIND_AUDIO);
    frame->set_before_start(true);
    frame->set_timestamp(0);
    frame->set_payload(std::string(160, '\xff'));
    if (told) f.stream->Take(request);
    CHECK(f.stream->pending().frames_size() == 0);
    for (size_t at = 160; at < sound.size(); at += 160) {
      v1::MaskRequest next;
      v1::Frame* audio = next.add_frames();
      audio->set_leg(1);
      audio->set_kind(v1::FRAME_KIND_AUDIO);
      audio->set_timestamp(static_cast<uint32_t>(at));
      std::string payload(160, '\0');
      dsp::Encode(dsp::Law::kMu, std::span(sound).subspan(at, 160), {reinterpret_cast<uint8_t*>(payload.data()), 160});
      audio->set_payload(payload);
      f.stream->Take(next);
    }
    CHECK(f.Events(v1::LEG_EVENT_KIND_KEY_STARTED).size() == (told ? 1 : 0));
    CHECK(f.registry.Value("flattone_masking_frames_late_total") == 0);
  }
}

TEST_CASE("a key goes to the vault and is told without its symbol; payloads are overwritten") {
  Fixture f;
  f.Open(1);
  std::vector<int16_t> sound(8000);
  dsp::AddKeys(sound, 1000, "47", 640, 640);
  f.Play(1, sound);
  CHECK(f.wiped);
  const auto started = f.Events(v1::LEG_EVENT_KIND_KEY_STARTED);
  REQUIRE(started.size() == 2);
  CHECK(started[1].keys() == 2);
  CHECK(started[0].transport() == v1::KEY_TRANSPORT_IN_BAND);
  CHECK(started[0].timestamp() == Approx(1000).margin(80));
  REQUIRE(f.vault->sent.size() == 1);
  CHECK(f.vault->sent[0].onset == started[0].timestamp());
  std::exchange(f.vault->submit_done, nullptr)(absl::OkStatus());
  CHECK(f.Events(v1::LEG_EVENT_KIND_KEY_DELIVERED).size() == 1);
  CHECK(f.vault->sent.size() == 2);
}

TEST_CASE("whatever the vault says later, the leg stays masked and the loss is told") {
  Fixture f;
  f.Open(1);
  std::vector<int16_t> sound(8000);
  dsp::AddKeys(sound, 1000, "4711", 640, 640);
  f.Play(1, std::span(sound).first(2400));
  std::exchange(f.vault->submit_done, nullptr)(absl::NotFoundError("capture_lost"));
  CHECK(f.Events(v1::LEG_EVENT_KIND_KEY_LOST).size() == 1);
  f.Play(1, sound);
  CHECK(f.Events(v1::LEG_EVENT_KIND_KEY_LOST).size() >= 4);
  bool altered = false;
  for (const auto& frame : f.stream->pending().frames()) altered = altered || frame.altered();
  CHECK(altered);
}

TEST_CASE("a leg without a capture is opened at once and masked, and its keys go nowhere") {
  Fixture f;
  auto open = f.Leg(1);
  open.clear_capture_id();
  open.clear_vault_address();
  v1::MaskRequest request;
  *request.add_open() = std::move(open);
  f.stream->Take(request);
  CHECK(f.Events(v1::LEG_EVENT_KIND_OPENED).size() == 1);
  std::vector<int16_t> sound(16000);
  dsp::AddKeys(sound, 1000, "4711", 640, 640);
  f.Play(1, sound);
  CHECK(f.Events(v1::LEG_EVENT_KIND_KEY_STARTED).size() == 4);
  CHECK(f.Events(v1::LEG_EVENT_KIND_KEY_DELIVERED).empty());
  v1::MaskRequest close;
  close.add_close()->set_leg(1);
  f.stream->Take(close);
}

TEST_CASE("a request to open that cannot be served is refused with the reason") {
  Fixture f;
  bool another_may = false;
  const auto refused = [&](v1::OpenLeg open) {
    v1::MaskRequest request;
    *request.add_open() = std::move(open);
    f.stream->pending().Clear();
    f.stream->Take(request);
    const auto events = f.Events(v1::LEG_EVENT_KIND_REFUSED);
    another_may = !events.empty() && events[0].another_may();
    return events.empty() ? std::string() : events[0].detail();
  };
  auto open = f.Leg(0);
  CHECK(refused(open).find("leg is 0") != std::string::npos);
  open = f.Leg(1);
  open.set_codec(static_cast<v1::Codec>(99));
  CHECK(refused(open).find("codec is 99") != std::string::npos);
  open = f.Leg(1);
  open.set_ptime_ms(200);
  CHECK(refused(open).find("ptime_ms is 200") != std::string::npos);
  open = f.Leg(1);
  open.set_lookahead_samples(40);
  CHECK(refused(open).find("lookahead_samples is 40") != std::string::npos);
  open = f.Leg(1);
  open.clear_vault_address();
  CHECK(refused(open).find("vault_address") != std::string::npos);
  f.Open(1);
  CHECK(refused(f.Leg(1)).find("open already") != std::string::npos);
  CHECK_FALSE(another_may);
  f.Open(2);
  CHECK(refused(f.Leg(3)).find("limit of 2 legs") != std::string::npos);
  CHECK(another_may);
  v1::MaskRequest close;
  close.add_close()->set_leg(2);
  f.stream->Take(close);
  f.stream->pending().Clear();
  f.Open(3);
  CHECK(f.Events(v1::LEG_EVENT_KIND_OPENED).size() == 1);
}

TEST_CASE("a vault that refuses the capture refuses the leg") {
  Fixture f;
  v1::MaskRequest request;
  *request.add_open() = f.Leg(1);
  f.stream->Take(request);
  std::exchange(f.vault->open_done, nullptr)(absl::FailedPreconditionError("epoch_stale"), {});
  CHECK(f.Events(v1::LEG_EVENT_KIND_REFUSED).size() == 1);
  CHECK(f.shared.legs == 0);
}

TEST_CASE("frames that waited longer than 200 ms on the way are not answered") {
  Fixture f;
  f.Open(1);
  std::vector<int16_t> sound(160);
  f.Play(1, sound, 500);
  CHECK(f.stream->pending().frames_size() == 1);
  f.clock.Advance(absl::Milliseconds(300));
  f.Play(1, sound, 1000);  // sent right after the first, here 300 ms later
  CHECK(f.stream->pending().frames_size() == 1);
  CHECK(f.registry.Value("flattone_masking_frames_old_total") == 1);
}

TEST_CASE("frames of no leg, of an unknown kind and after closing get no answer and are counted") {
  Fixture f;
  f.Open(1);
  std::vector<int16_t> sound(320);
  f.Play(9, sound);
  CHECK(f.registry.Value("flattone_masking_frames_stray_total") == 2);
  v1::MaskRequest request;
  request.add_frames()->set_leg(1);
  f.stream->Take(request);
  CHECK(f.registry.Value("flattone_masking_frames_faulty_total") == 1);
  v1::MaskRequest close;
  close.add_close()->set_leg(1);
  f.stream->Take(close);
  f.Play(1, sound);
  CHECK(f.stream->pending().frames_size() == 0);
  CHECK(f.registry.Value("flattone_masking_legs_count") == 0);
}

TEST_CASE("a codec change in the stream holds for the frames behind it") {
  Fixture f;
  f.Open(1);
  v1::MaskRequest request;
  auto* change = request.add_change_codec();
  change->set_leg(1);
  change->set_codec(v1::CODEC_PCMA);
  change->set_ptime_ms(20);
  auto* frame = request.add_frames();
  frame->set_leg(1);
  frame->set_kind(v1::FRAME_KIND_AUDIO);
  frame->set_payload(std::string(160, '\xd5'));
  f.stream->Take(request);
  REQUIRE(f.stream->pending().frames_size() == 1);
  // Noise of a quiet room in A-law: all near its silence, which in µ-law would be loud.
  int loud = 0;
  for (const char c : f.stream->pending().frames(0).payload()) {
    loud += std::abs(dsp::Decode(dsp::Law::kA, static_cast<uint8_t>(c))) > 500;
  }
  CHECK(loud == 0);
}

TEST_CASE("logs say the same whichever keys are pressed") {
  const auto logged = [](std::string_view keys) {
    Fixture f;
    f.Open(1);
    std::vector<int16_t> sound(16000);
    dsp::AddKeys(sound, 1000, keys, 640, 640);
    f.Play(1, sound);
    CHECK(f.Events(v1::LEG_EVENT_KIND_KEY_STARTED).size() == keys.size());
    std::exchange(f.vault->submit_done, nullptr)(absl::NotFoundError("capture_lost"));  // each key is told as lost
    f.stream.reset();
    f.log.Flush();
    return f.lines;
  };
  const auto lines = logged("4711");
  CHECK(lines.size() >= 2 + 4);
  CHECK(lines == logged("2098"));
}

}  // namespace
}  // namespace flattone::masking
