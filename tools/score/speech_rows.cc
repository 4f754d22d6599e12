#include <algorithm>

#include "libs/dsp/g711.h"
#include "libs/dsp/level.h"
#include "services/dtmf-masking/stream/leg_rig.h"
#include "tools/score/score.h"

namespace flattone::score {
namespace {

constexpr double kActiveDbm0 = -40;
constexpr size_t kPiece = 8000 * 60;  // a leg a minute, as calls are short

struct Count {
  int64_t frames = 0, altered = 0;
  size_t keys = 0, spandsp = 0;
};

Count Listen(std::span<const int16_t> sound) {
  Count count;
  for (size_t at = 0; at < sound.size(); at += kPiece) {
    const std::span<const int16_t> piece = sound.subspan(at, std::min(kPiece, sound.size() - at));
    masking::LegRig rig;
    rig.Play(rig.Cut(piece));
    for (const masking::LegRig::Left& left : rig.left()) {
      const int64_t from = left.at - 160;
      if (from < 0 || dsp::Dbm0OfPower(dsp::MeanSquare(piece.subspan(static_cast<size_t>(from), left.size))) < kActiveDbm0) continue;
      ++count.frames;
      count.altered += left.altered;
    }
    count.keys += rig.keys().size();
    std::vector<int16_t> heard(piece.begin(), piece.end());
    for (int16_t& s : heard) s = dsp::Decode(dsp::Law::kMu, dsp::Encode(dsp::Law::kMu, s));
    count.spandsp += masking::HeardBySpandsp(heard).size();
  }
  return count;
}

}  // namespace

void SpeechRows(const std::string& group, std::span<const Voice> voices) {
  Count all;
  for (const Voice& voice : voices) {
    const Count c = Listen(voice.sound);
    Row(group, voice.name, "minutes", static_cast<double>(voice.sound.size()) / 8000 / 60);
    Row(group, voice.name, "active frames altered %", 100.0 * static_cast<double>(c.altered) / static_cast<double>(std::max<int64_t>(1, c.frames)));
    Row(group, voice.name, "false digits", static_cast<double>(c.keys));
    Row(group, voice.name, "false digits of spandsp", static_cast<double>(c.spandsp));
    all.frames += c.frames;
    all.altered += c.altered;
    all.keys += c.keys;
    all.spandsp += c.spandsp;
  }
  Row(group, "all", "active frames altered %", 100.0 * static_cast<double>(all.altered) / static_cast<double>(std::max<int64_t>(1, all.frames)));
  Row(group, "all", "false digits", static_cast<double>(all.keys));
  Row(group, "all", "false digits of spandsp", static_cast<double>(all.spandsp));
}

}  // namespace flattone::score
