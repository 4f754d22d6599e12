#include "tools/callbox/talker.h"

#include <algorithm>
#include <cmath>

#include "tools/callbox/bytes.h"

namespace flattone::call {

Talker::Talker(const TalkerOptions& options, std::shared_ptr<const std::vector<int16_t>> sound)
    : options_(options), sound_(std::move(sound)), frame_(options.ptime_ms * (kRate / 1000)),
      sequence_(options.first_sequence) {}

void Talker::Press(std::span<const KeyPress> keys, int64_t gap) {
  int64_t start = position_;
  if (!keys_.empty()) start = std::max(start, keys_.back().at + keys_.back().length + gap);
  for (KeyPress key : keys) {
    key.at += start;
    if (options_.transport != KeyTransport::kInband) {  // events begin and end with packets
      key.at = (key.at + frame_ - 1) / frame_ * frame_;
      key.length = std::max<int64_t>(1, (key.length + frame_ / 2) / frame_) * frame_;
    }
    keys_.push_back(key);
    pressed_.push_back({key.at, key.length});
  }
}

int16_t Talker::Voice(int64_t at) const {
  if (sound_ == nullptr || sound_->empty()) return 0;
  const auto size = static_cast<int64_t>(sound_->size());
  if (at >= size && !options_.loop) return 0;
  return (*sound_)[static_cast<size_t>(at % size)];
}

int16_t Talker::SampleAt(int64_t at) {
  while (!keys_.empty() && options_.transport == KeyTransport::kInband && keys_.front().at + keys_.front().length <= at)
    keys_.pop_front();
  if (keys_.empty() || at < keys_.front().at || at >= keys_.front().at + keys_.front().length) return Voice(at);
  const KeyPress& key = keys_.front();
  if (tone_of_ != key.at) {
    tone_ = Tone(key.key, key.low_dbm0, key.high_dbm0);
    tone_of_ = key.at;
  }
  const double sum = tone_.At(at - key.at) + (key.mix ? Voice(at) : 0);
  return static_cast<int16_t>(std::lround(std::clamp(sum, -32768.0, 32767.0)));
}

void Talker::Header(std::vector<uint8_t>& bytes, int payload_type, uint32_t timestamp, bool marker) {
  bytes.push_back(0x80);
  bytes.push_back(static_cast<uint8_t>((marker ? 0x80 : 0) | payload_type));
  Append(bytes, sequence_++, 2);
  Append(bytes, timestamp, 4);
  Append(bytes, options_.ssrc, 4);
}

void Talker::Audio(std::vector<Packet>& out) {
  Packet packet;
  packet.bytes.reserve(12 + static_cast<size_t>(frame_));
  Header(packet.bytes, static_cast<int>(options_.codec), options_.first_timestamp + static_cast<uint32_t>(position_),
         marker_);
  marker_ = false;
  for (int64_t i = 0; i < frame_; ++i) packet.bytes.push_back(Encode(options_.codec, SampleAt(position_ + i)));
  out.push_back(std::move(packet));
}

// The event packets of this frame (RFC 4733 section 2.5.1): the duration grows, the last packet is sent three times.
bool Talker::Events(std::vector<Packet>& out) {
  if (keys_.empty() || position_ < keys_.front().at) return false;
  const KeyPress& key = keys_.front();
  const int64_t duration = position_ + frame_ - key.at;
  const bool end = duration >= key.length;
  const int volume = static_cast<int>(std::clamp(-key.low_dbm0, 0.0, 63.0));
  for (int copy = 0; copy < (end ? 3 : 1); ++copy) {
    Packet packet;
    Header(packet.bytes, options_.event_payload_type, options_.first_timestamp + static_cast<uint32_t>(key.at),
           duration == frame_ && copy == 0);
    packet.bytes.push_back(static_cast<uint8_t>(EventCode(key.key)));
    packet.bytes.push_back(static_cast<uint8_t>((end ? 0x80 : 0) | volume));
    Append(packet.bytes, static_cast<uint64_t>(std::min<int64_t>(duration, 0xFFFF)), 2);
    out.push_back(std::move(packet));
  }
  return true;
}

int64_t Talker::Next(std::vector<Packet>& out) {
  bool event = false;
  if (options_.transport != KeyTransport::kInband) event = Events(out);
  if (!event || options_.transport == KeyTransport::kBoth) Audio(out);
  position_ += frame_;
  while (!keys_.empty() && keys_.front().at + keys_.front().length <= position_) keys_.pop_front();
  return std::llround(options_.ptime_ms * 1e6 / (1 + options_.drift_ppm * 1e-6));
}

}  // namespace flattone::call
