#include "tools/callbox/listener.h"

#include <algorithm>
#include <cmath>

#include "tools/callbox/bytes.h"
#include "tools/callbox/keys.h"

namespace flattone::call {
namespace {

// The payload of an RTP packet after CSRCs, extension and padding (RFC 3550 section 5.1); empty if malformed.
std::span<const uint8_t> Payload(std::span<const uint8_t> packet) {
  if (packet.size() < 12 || packet[0] >> 6 != 2) return {};
  size_t begin = 12 + 4 * (packet[0] & 0x0F), end = packet.size();
  if (packet[0] & 0x10) {
    if (begin + 4 > end) return {};
    begin += 4 + 4 * size_t{Load16(packet.data() + begin + 2)};
  }
  if (packet[0] & 0x20) end -= std::min<size_t>(end, packet[end - 1]);
  if (begin >= end) return {};
  return packet.subspan(begin, end - begin);
}

}  // namespace

void DelayHistogram::Add(int64_t nanos) {
  nanos = std::max<int64_t>(nanos, 0);
  ++bins_[std::min<size_t>(static_cast<size_t>(nanos / 100000), bins_.size() - 1)];
  ++count_;
  max_ = std::max(max_, nanos);
}

double DelayHistogram::Quantile(double share) const {
  const auto wanted = static_cast<int64_t>(std::ceil(share * static_cast<double>(count_)));
  int64_t sum = 0;
  for (size_t i = 0; i < bins_.size() && count_ > 0; ++i)
    if ((sum += bins_[i]) >= std::max<int64_t>(wanted, 1)) return (static_cast<double>(i) + 0.5) / 10;
  return 0;
}

void SendTimes::Sent(uint32_t ssrc, uint32_t timestamp, int64_t nanos) {
  ring_[(timestamp / 80) % ring_.size()] = {ssrc, timestamp, nanos};
}

int64_t SendTimes::Of(uint32_t ssrc, uint32_t timestamp) const {
  const Entry& entry = ring_[(timestamp / 80) % ring_.size()];
  return entry.ssrc == ssrc && entry.timestamp == timestamp ? entry.nanos : 0;
}

void Listener::Anchor(uint32_t ssrc, uint32_t timestamp) {
  anchored_ = started_ = true;
  ssrc_ = ssrc;
  base_timestamp_ = timestamp;
}

// The sample where this timestamp lies. A new stream is placed by its arrival after the first packet of all.
int64_t Listener::Place(uint32_t ssrc, uint32_t timestamp, int64_t arrival_ns) {
  if (!started_ || ssrc != ssrc_) {
    if (started_) ++stats_.ssrc_changes;
    base_sample_ = first_arrival_ == arrival_ns ? 0 : (arrival_ns - first_arrival_) / (1000000000 / kRate);
    base_timestamp_ = timestamp;
    last_offset_ = 0;
    ssrc_ = ssrc;
    started_ = true;
    sequence_known_ = transit_known_ = false;
  }
  // Nearest to the last one, so that 2^32 may wrap.
  const auto step = static_cast<int32_t>(timestamp - base_timestamp_ - static_cast<uint32_t>(last_offset_));
  last_offset_ += step;
  return base_sample_ + last_offset_;
}

void Listener::CountSequence(uint16_t sequence) {
  if (!sequence_known_) {
    sequence_known_ = true;
    highest_ = lowest_ = sequence;
    seen_.fill(false);
    seen_[sequence % seen_.size()] = true;
    return;
  }
  const auto step = static_cast<int16_t>(sequence - static_cast<uint16_t>(highest_));
  const int64_t extended = highest_ + step;
  if (step > 0) {
    for (int64_t i = highest_ + 1; i <= extended && i <= highest_ + 1024; ++i) seen_[i & 1023] = false;
    stats_.lost += step - 1;
    highest_ = extended;
  } else if (step > -1024 && seen_[extended & 1023]) {
    ++stats_.duplicates;
    return;
  } else {
    ++stats_.reordered;
    if (extended >= lowest_ && stats_.lost > 0) --stats_.lost;
  }
  seen_[extended & 1023] = true;
}

void Listener::CountJitter(uint32_t timestamp, int64_t arrival_ns) {
  const double transit = static_cast<double>(arrival_ns) * kRate / 1e9 - timestamp;
  if (transit_known_ && std::abs(transit - transit_) < kRate * 10) jitter_ += (std::abs(transit - transit_) - jitter_) / 16;
  transit_ = transit;
  transit_known_ = true;
  stats_.jitter_ms = jitter_ / (kRate / 1000);
}

bool Listener::Grow(int64_t at, int64_t length) {
  if (at < 0 || at + length > options_.max_samples) return false;
  if (static_cast<int64_t>(samples_.size()) < at + length) {
    samples_.resize(static_cast<size_t>(at + length), 0);
    filled_.resize(static_cast<size_t>(at + length), false);
  }
  return true;
}

void Listener::WriteAudio(int64_t at, Codec codec, std::span<const uint8_t> payload) {
  if (!Grow(at, static_cast<int64_t>(payload.size()))) return;
  for (size_t i = 0; i < payload.size(); ++i) {
    samples_[static_cast<size_t>(at) + i] = Decode(codec, payload[i]);
    filled_[static_cast<size_t>(at) + i] = true;
  }
}

void Listener::WriteEvent(int64_t at, std::span<const uint8_t> payload) {
  if (payload.size() < 4) return;
  const int64_t duration = Load16(payload.data() + 2);
  if (!Grow(at, duration)) return;
  const double level = -static_cast<double>(payload[1] & 0x3F);
  const Tone tone(EventKey(payload[0]), level, level);
  for (int64_t i = 0; i < duration; ++i) {
    samples_[static_cast<size_t>(at + i)] = static_cast<int16_t>(std::clamp(tone.At(i), -32768.0, 32767.0));
    filled_[static_cast<size_t>(at + i)] = true;
  }
}

void Listener::OnPacket(std::span<const uint8_t> packet, int64_t arrival_ns) {
  const std::span<const uint8_t> payload = Payload(packet);
  if (payload.empty()) {
    ++stats_.malformed;
    return;
  }
  if (stats_.packets == 0) first_arrival_ = arrival_ns;
  else stats_.max_gap_ns = std::max(stats_.max_gap_ns, arrival_ns - last_arrival_);
  last_arrival_ = arrival_ns;
  ++stats_.packets;
  stats_.bytes += static_cast<int64_t>(packet.size());
  const int type = packet[1] & 0x7F;
  const uint32_t timestamp = Load32(packet.data() + 4);
  const int64_t at = Place(Load32(packet.data() + 8), timestamp, arrival_ns);
  CountSequence(Load16(packet.data() + 2));
  if (type == options_.event_payload_type) {
    ++stats_.event_packets;
    if (options_.record) WriteEvent(at, payload);
  } else if (type == 0 || type == 8) {
    CountJitter(timestamp, arrival_ns);
    if (options_.record) WriteAudio(at, static_cast<Codec>(type), payload);
  } else {
    ++stats_.other_payload_type;
  }
}

}  // namespace flattone::call
