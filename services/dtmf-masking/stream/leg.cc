#include "services/dtmf-masking/stream/leg.h"

#include <algorithm>
#include <utility>

#include "libs/dsp/dtmf.h"
#include "libs/dsp/level.h"

namespace flattone::masking {
namespace {

constexpr int64_t kStartPosition = (int64_t{1} << 33) * MaskPlan::kGrid;  // positions stay positive
constexpr int64_t kMostJump = 16'000;      // 2 s: beyond, the sound begins anew
constexpr int64_t kLongestEvent = 65'536;  // a held key's event keeps the timestamp of its onset
constexpr int64_t kEventLead = 160;        // covered before an event: converters cut tones late
constexpr int64_t kEventTail = 160;        // and after it
constexpr int64_t kEventUpdate = 800;      // an event that has not ended is told again within 100 ms
constexpr int kKeyLikeHops = 24;           // 60 ms of suspicion without a break count as a key for "quiet"
constexpr int64_t kAtStart = 30;           // nothing known before the first sample: an onset this near to it lies before it
constexpr int64_t kOnsetError = 40;        // an onset is found to 5 ms
constexpr int64_t kLeastBefore = 120;      // what the digits' detector needs to have heard
constexpr int64_t kBeside = 2 * Leg::kMostSamples;  // sound heard this lately runs on

// How far behind the newest a frame may lie and still be of the same timeline.
int64_t MostBack(FrameKind kind) { return kind == FrameKind::kEvent ? kLongestEvent + kMostJump : kMostJump; }

}  // namespace

void Leg::Report::Wipe() {
  for (Key& key : keys) key = Key{};
  asm volatile("" : : "r"(keys.data()) : "memory");
  key_count = 0;
}

Leg::Leg(const LegOptions& options, std::unique_ptr<ToneDetector> detector)
    : law_(options.law), packet_samples_(std::clamp(options.packet_samples, 1, kMostSamples)),
      lookahead_(std::clamp(options.lookahead, kLeastLookahead, 480)), tone_options_(options.flat_tone),
      tone_(options.flat_tone, options.law),
      detector_(detector != nullptr ? std::move(detector) : MakeTrainedDetector()), plan_(tone_.length()),
      noise_(options.noise_seed) {}

void Leg::ChangeCodec(dsp::Law law, int packet_samples) {
  packet_samples_ = std::clamp(packet_samples, 1, kMostSamples);
  if (law == law_) return;
  law_ = law;
  tone_ = FlatTone(tone_options_, law);
  line_.Clear(line_.front());
}

int64_t Leg::Unwrap(uint32_t timestamp) {
  if (!begun_) {
    begun_ = true;
    last_position_ = kStartPosition;
    last_timestamp_ = timestamp;
    Restart(kStartPosition, false);
    last_key_ = kStartPosition;
  }
  return last_position_ + static_cast<int32_t>(timestamp - last_timestamp_);
}

bool Leg::Leaps(const InFrame& frame, int64_t position) const {
  return position > now_ + kMostJump || position < now_ - MostBack(frame.kind);
}

// Begins to listen anew at `position`: nothing before it was heard. A held key goes on in the sound that comes.
void Leg::Restart(int64_t position, bool held) {
  line_.Clear(position);
  detector_->Reset();
  if (!held) digits_.Reset();
  origin_ = mask_cursor_ = digit_cursor_ = now_ = left_ = position;
  last_audio_ = INT64_MIN / 2;
  event_ended_ = true;
  plan_.CoverOpen(INT64_MIN);
}

void Leg::ForgetBefore(int64_t position, bool held) {
  heard_before_ = event_before_ = false;
  Restart(position, held);
}

void Leg::NoteNewest(int64_t position, uint32_t timestamp) {
  if (position <= last_position_) return;
  last_position_ = position;
  last_timestamp_ = timestamp;
}

// The newest sound and event from before the start. What leaves begins behind them.
void Leg::HearBefore(const InFrame& frame) {
  if (in_earnest_) return;
  const int64_t position = Unwrap(frame.timestamp);
  if (position < now_ - MostBack(frame.kind)) return;
  if (position > now_ + kMostJump) ForgetBefore(position);  // what was told of long ago says nothing about now
  Report nothing;  // counts for nobody
  if (frame.kind == FrameKind::kEvent) {
    TakeEvent(frame, position, nothing);
    event_before_ = true;
  } else if (frame.kind == FrameKind::kAudio && frame.payload.size() <= kMostSamples) {
    TakeSound(position, frame);
    now_ = std::max(now_, position + static_cast<int64_t>(frame.payload.size()));
    heard_before_ = frame.payload.size() >= kLeastBefore;
    Listen(nothing);
  }
  NoteNewest(position, frame.timestamp);
  origin_ = left_ = now_;
}

// Sound that comes when the masks' detector has passed its place is covered unheard: masks never wait.
void Leg::TakeSound(int64_t position, const InFrame& frame) {
  const int64_t end = position + static_cast<int64_t>(frame.payload.size());
  if (position < mask_cursor_ && AllHeard(position, end)) return;
  if (position < mask_cursor_) plan_.Cover(position, std::min(end, mask_cursor_));
  line_.Write(position, frame.payload);
}

// Without anything from before the start, a key that is there with the first samples may be older than they are.
bool Leg::BeganBefore(int64_t tone_onset) const {
  if (!first_stretch_) return false;
  if (!in_earnest_) return true;
  return heard_before_ ? tone_onset < origin_ - kOnsetError : tone_onset <= origin_ + kAtStart;
}

bool Leg::BeganBefore(const EventTracker::Span& span, bool alone) const {
  if (!first_stretch_) return false;
  if (!in_earnest_) return true;
  // One that was under way would have been told: an event's first packet comes up to a packet after its onset.
  if (heard_before_ || event_before_) return span.onset < origin_ - packet_samples_;
  return span.onset < origin_ || (alone && span.end - span.onset > 4 * packet_samples_);
}

Leg::Answer Leg::Take(const InFrame& frame, std::span<uint8_t> out, Report& report) {
  if (frame.before || (frame.redundant && !in_earnest_)) {  // what is older than the leg's first packet
    HearBefore(frame);
    return {};
  }
  const bool event = frame.kind == FrameKind::kEvent && !frame.redundant;
  // An event keeps its timestamp and so its place, whatever the sound's clock does meanwhile.
  const bool same_event = event && event_timestamp_ == frame.timestamp;
  int64_t position = same_event ? event_position_ : Unwrap(frame.timestamp);
  const bool first = !std::exchange(in_earnest_, true);
  // Packet behind packet, the sender's clock may leap, and the sound goes on; a pause begins with a marker.
  const bool audio = frame.kind == FrameKind::kAudio && !frame.redundant;
  const bool next = audio && frame.sequence && frame.sequence == next_audio_;
  const bool held = next && !frame.marker && digits_.sounding();
  if (audio) next_audio_ = frame.sequence ? std::optional(static_cast<uint16_t>(*frame.sequence + 1)) : std::nullopt;
  const auto size = static_cast<int64_t>(frame.payload.size());
  if ((Leaps(frame, position) && !same_event) || (next && position < left_ && position + size <= left_)) {
    if (frame.redundant) return {};
    if (const int64_t reached = std::max(now_, left_); position < reached) {  // the sender's clock was set back: go on from here
      last_position_ = position = reached + lookahead_;
      last_timestamp_ = frame.timestamp;
    }
    if (next && !frame.marker) last_key_ += position - now_;  // no time has passed
    first_stretch_ = first_stretch_ && first;
    ForgetBefore(position, held);
  } else if (held && position > line_.front()) {
    digit_cursor_ = position;
  }
  if (event) {
    event_timestamp_ = frame.timestamp;
    event_position_ = position;
  }
  NoteNewest(position, frame.timestamp);
  Answer answer;
  switch (frame.kind) {
    case FrameKind::kAudio: {
      const bool usable = size > 0 && size <= kMostSamples;
      if (!usable) report.fault = size == 0 ? "empty audio frame" : "audio frame of more than 960 samples";
      const int samples = usable ? static_cast<int>(size) : packet_samples_;
      if (usable) {
        if (!frame.redundant) packet_samples_ = samples;
        TakeSound(position, frame);
        last_audio_ = std::max(last_audio_, position);
      }
      now_ = std::max(now_, position + samples);
      if (frame.redundant) break;
      Listen(report);
      if (position < left_) break;  // late: its successor has left
      answer = Leave(position, samples, out);
      if (!usable) {
        for (int i = 0; i < samples; ++i) out[i] = tone_.At(position + i);
        answer.altered = answer.tone = answer.masked = true;
      }
      break;
    }
    case FrameKind::kEvent: {
      TakeEvent(frame, position, report);
      if (frame.redundant) break;
      Listen(report);
      const std::optional<int64_t> slot = EventSlot();
      answer.send = true;
      answer.timestamp = frame.timestamp;
      if (!slot) break;
      line_.Advance(*slot + packet_samples_);
      Listen(report);
      answer = Leave(*slot, packet_samples_, out);
      break;
    }
    case FrameKind::kComfortNoise: {
      now_ = std::max(now_, position);
      answer.send = true;
      answer.timestamp = frame.timestamp;
      // The last sound before a silence is still inside: this packet takes it out.
      if (position < left_ || (left_ < position - lookahead_ && !plan_.TonePending(position - lookahead_))) break;
      line_.Advance(position + packet_samples_);
      Listen(report);
      answer = Leave(position, packet_samples_, out);
      break;
    }
  }
  CheckQuiet(report);
  merger_.Forget(now_);
  answer.tone_left = static_cast<int>(plan_.ToneLeft());
  return answer;
}

void Leg::TakeEvent(const InFrame& frame, int64_t position, Report& report) {
  std::array<EventTracker::Span, EventTracker::kMostSpans> spans;
  // No event clock is slower than the leg's: a description that says so would stretch a key over hours.
  const double to_leg = frame.event_clock_rate <= uint32_t{dsp::kSampleRate} ? 1.0 : static_cast<double>(dsp::kSampleRate) / frame.event_clock_rate;
  const int count = events_.Take(position, frame.marker, frame.payload, to_leg, spans);
  if (count < 0) {
    report.fault = "malformed telephone-event payload";
    return;
  }
  const bool alone = begun_ && now_ == origin_;  // nothing was heard before this packet
  for (int i = 0; i < count; ++i) {
    const EventTracker::Span& span = spans[i];
    if (span.key < 0) continue;
    now_ = std::max(now_, span.end);
    last_key_ = std::max(last_key_, span.end);
    plan_.Cover(span.onset - kEventLead, span.end + kEventTail);
    if (span.end >= event_end_ || span.onset > event_onset_) {
      event_onset_ = span.onset;
      event_end_ = span.end;
      event_ended_ = span.ended;
      plan_.CoverOpen(span.ended ? span.end + kEventTail : span.end + kEventUpdate);
    }
    if (!span.first) {
      merger_.ExtendEvent(span.key, span.onset, span.end);
      continue;
    }
    // Under way when the leg began: masked, not counted.
    const bool before = BeganBefore(span, alone);
    if (merger_.Event(span.key, span.onset, span.end) && !before) Count(span.key, span.onset, Transport::kEvent, report);
  }
  for (EventTracker::Span& span : spans) span.key = -1;
  asm volatile("" : : "r"(spans.data()) : "memory");
}

// Where a packet made from an event goes: after what has left, when no audio runs beside the event. It stays
// one packet behind until the event has ended, lest the audio's own packet comes too late.
std::optional<int64_t> Leg::EventSlot() {
  if (last_audio_ >= event_onset_) return std::nullopt;
  const int64_t behind = event_end_ - left_;
  const int64_t lag = event_ended_ ? packet_samples_ : 2 * packet_samples_;
  if (behind < lag) return std::nullopt;
  // Event packets that were lost stay lost: their places are left empty.
  return left_ + std::max<int64_t>(0, behind - 2 * packet_samples_) / packet_samples_ * packet_samples_;
}

int Leg::Hear(int64_t at, std::span<int16_t, kHop> hop) const {
  if (const uint8_t* run = line_.Run(at, kHop); run != nullptr) {
    dsp::Decode(law_, std::span(run, kHop), hop);
    return kHop;
  }
  int known = 0;
  for (int i = 0; i < kHop; ++i) {
    const uint8_t* codeword = line_.At(at + i);
    hop[i] = codeword == nullptr ? int16_t{0} : dsp::Decode(law_, *codeword);
    known += codeword != nullptr;
  }
  return known;
}

bool Leg::AllHeard(int64_t from, int64_t to) const {
  for (int64_t p = from; p < to; ++p) {
    if (line_.At(p) == nullptr) return false;
  }
  return true;
}

void Leg::Listen(Report& report) {
  ListenForMask();
  ListenForDigits(report);
}

// A stretch that never came and is longer than the line is passed over: the work for one frame stays bounded.
bool Leg::PassOver(int64_t& cursor) const {
  const int64_t oldest = line_.front() - SoundLine::kSize;
  if (cursor >= oldest) return false;
  cursor = oldest;
  return true;
}

void Leg::ListenForMask() {
  std::array<int16_t, kHop> hop;
  if (PassOver(mask_cursor_)) {
    detector_->Reset();
    suspicion_hops_ = 0;
  }
  for (; mask_cursor_ + kHop <= line_.front(); mask_cursor_ += kHop) {
    const int known = Hear(mask_cursor_, hop);
    const int64_t end = mask_cursor_ + kHop;
    if (known < kHop) plan_.Cover(end - kLeastLookahead - kHop, end);  // what lies before a gap has not all of its look-ahead
    if (!detector_->Push(hop, known)) {
      suspicion_hops_ = 0;
      continue;
    }
    const auto [from, to] = detector_->span();
    plan_.Suspect(end - from, end - to);
    if (++suspicion_hops_ >= kKeyLikeHops) last_key_ = std::max(last_key_, end);
  }
}

void Leg::ListenForDigits(Report& report) {
  std::array<int16_t, kHop> hop;
  if (PassOver(digit_cursor_)) digits_.Reset();
  for (; digit_cursor_ + kHop <= line_.front(); digit_cursor_ += kHop) {
    const int known = Hear(digit_cursor_, hop);
    if (known < kHop && line_.front() - digit_cursor_ < kReorderWait) return;  // it may still come
    const int64_t end = digit_cursor_ + kHop;
    const std::optional<DigitDetector::Started> started = digits_.Push(hop, known);
    if (digits_.sounding()) last_key_ = std::max(last_key_, end);
    if (!started) continue;
    const int64_t onset = end - started->age;
    const bool new_press = merger_.Tone(started->key, onset);
    if (new_press && !BeganBefore(onset)) Count(started->key, onset, Transport::kInBand, report);
  }
}

void Leg::Count(int key, int64_t onset, Transport transport, Report& report) {
  ++keys_;
  last_key_ = std::max(last_key_, onset);
  if (report.key_count < Report::kMostKeys) {
    report.keys[report.key_count++] = {.symbol = dsp::kKeypad[key],
                                       .rtp_onset = last_timestamp_ + static_cast<uint32_t>(onset - last_position_),
                                       .transport = transport};
  }
  plan_.AskTone();
}

Leg::Answer Leg::Leave(int64_t position, int samples, std::span<uint8_t> out) {
  const int64_t from = position - lookahead_;
  const MaskPlan::Decision decision = plan_.Decide(from, from + samples);
  Answer answer{.send = true,
                .timestamp = last_timestamp_ + static_cast<uint32_t>(position - last_position_),
                .size = samples,
                .masked = decision.masked,
                .tone = decision.tone_begin < decision.tone_end};
  left_ = position + samples;
  const uint8_t* run = decision.masked || from < origin_ ? nullptr : line_.Run(from, samples);
  if (run != nullptr) {  // nearly every packet: as it came
    std::copy_n(run, samples, out.begin());
    std::array<int16_t, kMostSamples> sound;
    dsp::Decode(law_, std::span(run, samples), sound);
    background_.Add(dsp::MeanSquare(std::span(sound).first(samples)));
    return answer;
  }
  std::array<int16_t, kMostSamples> noise;
  bool noise_made = false;
  double energy = 0;
  for (int i = 0; i < samples; ++i) {
    const int64_t p = from + i;
    const uint8_t* codeword = p < origin_ ? nullptr : line_.At(p);
    if (codeword == nullptr) answer.filled = true;
    if (p >= decision.tone_begin && p < decision.tone_end) {
      out[i] = tone_.At(decision.tone_offset + p - decision.tone_begin);
    } else if (!decision.masked && codeword != nullptr) {
      out[i] = *codeword;
      const double sample = dsp::Decode(law_, *codeword);
      energy += sample * sample;
    } else {
      if (!noise_made) {
        noise_.Fill(std::span(noise).first(samples), background_.power());
        noise_made = true;
      }
      out[i] = dsp::Encode(law_, noise[i]);
    }
  }
  answer.altered = answer.filled || answer.masked;
  if (!answer.altered) background_.Add(energy / samples);
  return answer;
}

void Leg::CheckQuiet(Report& report) {
  // Not while one may have begun: it is accepted 30 ms behind its onset.
  const bool suspected = suspicion_hops_ != 0 && now_ - mask_cursor_ <= kBeside;
  const bool quiet = now_ - last_key_ >= kQuietSamples && (quiet_ || !suspected);
  report.quiet = quiet && !quiet_;
  quiet_ = quiet;
}

}  // namespace flattone::masking
