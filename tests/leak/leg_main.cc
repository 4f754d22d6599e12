// leak_leg: drives the masker's core with arrays. Frames come from a file, what leaves goes to another; no clock, no
// network. Formats (little-endian), one record per frame and at the same place in both files:
//   in:   u8 kind (0 audio, 1 event, 2 comfort noise), u8 flags (1 marker, 2 redundant, 4 before), u16 octets, u32 timestamp, payload
//   out:  u32 timestamp, u16 octets, u8 flags (1 altered, 2 flat tone, 4 filled, 8 masked, 16 sent), u8 keys counted, payload
// On standard output, one JSON object: counts, and the counted keys with their onsets (these are random test keys).
#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "services/dtmf-masking/detect/tone_detector.h"
#include "services/dtmf-masking/stream/leg.h"
#include "tests/leak/late_detector.h"

namespace flattone::leak {
namespace {

using masking::Leg;

struct Settings {
  std::string in, out, law = "mu";
  masking::LegOptions leg;
  bool late = false;
};

struct Record {
  uint8_t kind, flags;
  uint16_t octets;
  uint32_t timestamp;
};
static_assert(sizeof(Record) == 8);
struct Left {
  uint32_t timestamp;
  uint16_t octets;
  uint8_t flags, keys;
};
static_assert(sizeof(Left) == 8);

class Run {
 public:
  explicit Run(const Settings& settings)
      : leg_(settings.leg, settings.late ? std::make_unique<LateDetector>(
                                               masking::MakeTrainedDetector(), settings.leg.lookahead)
                                         : nullptr) {}

  void Take(const Record& record, std::span<const uint8_t> payload, std::vector<char>& out) {
    Leg::Report report;
    const Leg::Answer answer = leg_.Take({.kind = static_cast<masking::FrameKind>(record.kind),
                                          .timestamp = record.timestamp, .marker = (record.flags & 1) != 0,
                                          .redundant = (record.flags & 2) != 0, .before = (record.flags & 4) != 0,
                                          .payload = payload}, sound_, report);
    for (int i = 0; i < report.key_count; ++i) {
      keys_ += report.keys[i].symbol;
      onsets_ += (onsets_.empty() ? "" : ",") + std::to_string(report.keys[i].rtp_onset);
    }
    faults_ += report.fault != nullptr;
    const Left left{answer.timestamp, static_cast<uint16_t>(answer.send ? answer.size : 0),
                    static_cast<uint8_t>(answer.altered | answer.tone << 1 | answer.filled << 2 | answer.masked << 3 | answer.send << 4),
                    static_cast<uint8_t>(report.key_count)};
    const auto* head = reinterpret_cast<const char*>(&left);
    out.insert(out.end(), head, head + sizeof left);
    out.insert(out.end(), sound_.begin(), sound_.begin() + left.octets);
  }

  void Print() const {
    std::printf("{\"keys\":\"%s\",\"onsets\":[%s],\"faults\":%d}\n", keys_.c_str(), onsets_.c_str(), faults_);
  }

 private:
  Leg leg_;
  std::array<uint8_t, Leg::kMostSamples> sound_{};
  std::string keys_, onsets_;
  int faults_ = 0;
};

int Main(const Settings& settings) {
  std::ifstream file(settings.in, std::ios::binary);
  const std::vector<char> in{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) {
    std::fprintf(stderr, "leak_leg: %s cannot be read\n", settings.in.c_str());
    return 2;
  }
  Run run(settings);
  std::vector<char> out;
  out.reserve(in.size() + in.size() / 8);
  for (size_t at = 0; at + sizeof(Record) <= in.size();) {
    Record record;
    std::memcpy(&record, in.data() + at, sizeof record);
    at += sizeof record;
    if (record.kind > 2 || at + record.octets > in.size()) {
      std::fprintf(stderr, "leak_leg: a frame at octet %zu is malformed\n", at);
      return 2;
    }
    run.Take(record, {reinterpret_cast<const uint8_t*>(in.data()) + at, record.octets}, out);
    at += record.octets;
  }
  std::ofstream(settings.out, std::ios::binary).write(out.data(), static_cast<std::streamsize>(out.size()));
  run.Print();
  return 0;
}

}  // namespace
}  // namespace flattone::leak

int main(int argc, char** argv) {
  flattone::leak::Settings settings;
  CLI::App app("Drives the masker's core with frames from a file.", "leak_leg");
  app.add_option("--in", settings.in, "frames")->required();
  app.add_option("--out", settings.out, "what leaves")->required();
  app.add_option("--law", settings.law, "mu or a")->check(CLI::IsMember({"mu", "a"}));
  app.add_option("--packet", settings.leg.packet_samples, "samples of a packet, until the first tells")->check(CLI::Range(80, 960));
  app.add_option("--lookahead", settings.leg.lookahead, "samples")->check(CLI::Range(80, 480));
  app.add_option("--noise-seed", settings.leg.noise_seed, "of the noise that masks");
  app.add_flag("--late", settings.late, "control: verdicts come a look-ahead late");
  CLI11_PARSE(app, argc, argv);
  settings.leg.law = settings.law == "a" ? flattone::dsp::Law::kA : flattone::dsp::Law::kMu;
  return flattone::leak::Main(settings);
}
