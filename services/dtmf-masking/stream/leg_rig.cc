#include "services/dtmf-masking/stream/leg_rig.h"

#include <spandsp.h>

#include <algorithm>
#include <array>

#include "libs/dsp/dtmf.h"
#include "libs/rtp/telephone_event.h"

namespace flattone::masking {
namespace {

int64_t SendTime(const RigFrame& frame) {
  const auto at = static_cast<int64_t>(frame.timestamp - LegRig::kFirstTimestamp);
  if (frame.kind == FrameKind::kAudio) return at + static_cast<int64_t>(frame.payload.size());
  return at + (frame.payload[2] << 8 | frame.payload[3]);
}

}  // namespace

std::string HeardBySpandsp(std::span<const int16_t> sound) {
  std::string digits;
  dtmf_rx_state_t* rx = dtmf_rx_init(nullptr, nullptr, nullptr);
  std::array<char, 128> some{};
  for (size_t at = 0; at < sound.size(); at += 160) {
    const size_t n = std::min<size_t>(160, sound.size() - at);
    dtmf_rx(rx, sound.data() + at, static_cast<int>(n));
    digits.append(some.data(), dtmf_rx_get(rx, some.data(), 127));
  }
  dtmf_rx_free(rx);
  return digits;
}

std::vector<RigFrame> LegRig::Cut(std::span<const int16_t> sound, int packet) const {
  std::vector<RigFrame> frames;
  for (size_t at = 0; at + packet <= sound.size(); at += packet) {
    RigFrame frame{.timestamp = kFirstTimestamp + static_cast<uint32_t>(at)};
    frame.payload.resize(packet);
    dsp::Encode(options_.law, sound.subspan(at, packet), frame.payload);
    frames.push_back(std::move(frame));
  }
  return frames;
}

std::vector<RigFrame> LegRig::Event(char symbol, int64_t onset, int duration, int ends) {
  std::vector<RigFrame> frames;
  const auto add = [&](int so_far, bool end) {
    RigFrame frame{.kind = FrameKind::kEvent, .timestamp = kFirstTimestamp + static_cast<uint32_t>(onset),
                   .marker = frames.empty()};
    frame.payload.resize(4);
    rtp::WriteTelephoneEvent({.event = *dsp::EventOfSymbol(symbol), .end = end, .volume = 10,
                              .duration = static_cast<uint16_t>(so_far)}, frame.payload);
    frames.push_back(std::move(frame));
  };
  for (int so_far = 160; so_far < duration; so_far += 160) add(so_far, false);
  for (int i = 0; i < ends; ++i) add(duration, true);
  return frames;
}

std::vector<RigFrame> LegRig::Merge(std::vector<RigFrame> a, std::vector<RigFrame> b) {
  a.insert(a.end(), std::make_move_iterator(b.begin()), std::make_move_iterator(b.end()));
  std::stable_sort(a.begin(), a.end(), [](const RigFrame& x, const RigFrame& y) { return SendTime(x) < SendTime(y); });
  return a;
}

std::vector<RigFrame> LegRig::Number(std::vector<RigFrame> frames) {
  uint16_t sequence = 65'500;  // wraps soon
  for (RigFrame& frame : frames) frame.sequence = sequence++;
  return frames;
}

void LegRig::Play(const std::vector<RigFrame>& frames) {
  std::array<uint8_t, Leg::kMostSamples> payload;
  for (const RigFrame& frame : frames) {
    Leg::Report report;
    const Leg::Answer answer = leg_.Take({.kind = frame.kind, .timestamp = frame.timestamp, .marker = frame.marker,
                                          .redundant = frame.redundant, .before = frame.before, .sequence = frame.sequence,
                                          .event_clock_rate = frame.event_clock_rate, .payload = frame.payload}, payload, report);
    for (int i = 0; i < report.key_count; ++i) {
      keys_ += report.keys[i].symbol;
      transports_.push_back(report.keys[i].transport);
      onsets_.push_back(report.keys[i].rtp_onset - kFirstTimestamp);
    }
    quiet_ += report.quiet;
    faults_ += report.fault != nullptr;
    if (!answer.send || answer.size == 0) continue;
    const auto at = static_cast<int64_t>(answer.timestamp - kFirstTimestamp);
    if (at > 100'000'000) continue;  // a test set the clock back: no place on this timeline
    if (static_cast<int64_t>(out_.size()) < at + answer.size) out_.resize(at + answer.size);
    dsp::Decode(options_.law, std::span(payload).first(answer.size), std::span(out_).subspan(at, answer.size));
    left_.push_back({at, answer.size, answer.altered, answer.tone, answer.filled, answer.tone_left});
  }
}

int LegRig::Tones() const {
  int tones = 0;
  bool on = false;
  for (const Left& left : left_) {
    tones += left.tone && !on;
    on = left.tone;
  }
  return tones;
}

int64_t LegRig::Exposed(std::span<const int16_t> in, int64_t from, int64_t to) const {
  int64_t exposed = 0;
  for (const Left& left : left_) {
    if (left.altered) continue;
    const int64_t begin = left.at - options_.lookahead, end = begin + left.size;
    exposed += std::max<int64_t>(0, std::min(end, to) - std::max(begin, from));
  }
  return exposed;
}

}  // namespace flattone::masking
