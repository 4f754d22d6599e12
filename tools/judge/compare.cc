#include "tools/judge/compare.h"

#include <algorithm>
#include <vector>

#include "libs/dsp/level.h"
#include "tools/judge/decoders.h"
#include "tools/judge/flat_tones.h"

namespace flattone::judge {
namespace {

constexpr int64_t kFrame = 160;
constexpr int64_t kAround = 800;

bool Same(std::span<const int16_t> caller, std::span<const int16_t> agent, int64_t at, int64_t delay) {
  const int64_t there = at + delay;
  if (there < 0 || there + kFrame > static_cast<int64_t>(agent.size())) return false;
  return std::equal(caller.begin() + at, caller.begin() + at + kFrame, agent.begin() + there);
}

// The delay at which most of the caller's loud frames are found unchanged.
std::optional<int64_t> FindDelay(std::span<const int16_t> caller, std::span<const int16_t> agent,
                                 const std::vector<int64_t>& frames, int64_t most) {
  std::vector<int64_t> votes(static_cast<size_t>(2 * most + 1));
  const size_t step = std::max<size_t>(1, frames.size() / 200);
  for (size_t i = 0; i < frames.size(); i += step) {
    const int64_t at = frames[i];
    for (int64_t delay = -most; delay <= most; ++delay) {
      const int64_t there = at + delay;
      if (there < 0 || there >= static_cast<int64_t>(agent.size()) || agent[there] != caller[at]) continue;
      votes[delay + most] += Same(caller, agent, at, delay);
    }
  }
  const auto best = std::max_element(votes.begin(), votes.end());
  if (*best < 3) return std::nullopt;
  return best - votes.begin() - most;
}

}  // namespace

Comparison Compare(std::span<const int16_t> caller, std::span<const int16_t> agent, const CompareOptions& options) {
  const auto frames_in_caller = static_cast<int64_t>(caller.size()) / kFrame;
  std::vector<int64_t> loud;
  for (int64_t f = 0; f < frames_in_caller; ++f) {
    const double level = dsp::Dbm0OfPower(dsp::MeanSquare(caller.subspan(f * kFrame, kFrame)));
    if (level >= options.speech_dbm0) loud.push_back(f * kFrame);
  }
  Comparison result;
  const std::optional<int64_t> delay = options.delay ? options.delay : FindDelay(caller, agent, loud, options.most_delay);
  if (!delay) return result;
  result.aligned = true;
  result.delay = *delay;
  std::vector<bool> near_key(static_cast<size_t>(frames_in_caller) + 1);
  const auto mark = [&](int64_t from, int64_t to) {
    from = std::clamp<int64_t>((from - kAround) / kFrame, 0, frames_in_caller);
    to = std::clamp<int64_t>((to + kAround) / kFrame, 0, frames_in_caller);
    for (int64_t f = from; f <= to; ++f) near_key[f] = true;
  };
  for (const HeardKey& key : AskSpandsp(caller)) mark(key.onset, key.end);
  for (const FlatToneHeard& tone : FindFlatTones(agent, options.flat_tone_hz)) {
    mark(tone.onset - *delay, tone.onset + tone.length - *delay);
  }
  for (const int64_t at : loud) {
    if (near_key[at / kFrame]) {
      ++result.key_frames;
      continue;
    }
    if (at + *delay + kFrame > static_cast<int64_t>(agent.size()) + options.slack) continue;  // the recording ended
    ++result.speech_frames;
    bool same = Same(caller, agent, at, *delay);
    for (int64_t off = 1; !same && off <= options.slack; ++off) {
      same = Same(caller, agent, at, *delay + off) || Same(caller, agent, at, *delay - off);
    }
    result.identical_frames += same;
  }
  return result;
}

}  // namespace flattone::judge
