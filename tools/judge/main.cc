// judge: independent ears on recordings. See --help.
#include <cstdio>
#include <cstdlib>
#include <string>

#include <CLI/CLI.hpp>

#include "libs/dsp/wav.h"
#include "tools/judge/report.h"
#include "tools/judge/self_test.h"

namespace {

constexpr const char* kAbout =
    "Judges recordings (WAV, 8000 Hz) with ears that are not Flattone's, and prints one JSON object a line.\n"
    "\n"
    "  judge agent.wav caller.wav            for each file: keys heard by spandsp and multimon-ng, flat tones\n"
    "     {\"file\", \"seconds\", \"level_dbm0\", \"spandsp\": {\"keys\", \"at_ms\": []},\n"
    "      \"multimon\": {\"available\", \"keys\"}, \"flat_tones\": {\"count\", \"longest_ms\", \"tones\": [{\"at_ms\", \"ms\"}]}}\n"
    "  judge --compare caller.wav agent.wav  share of the caller's speech frames (20 ms, outside of keys and flat\n"
    "                                        tones) that the agent hears sample for sample\n"
    "     {\"aligned\", \"delay_samples\", \"speech_frames\", \"identical_frames\", \"identical_percent\", \"key_frames\"}\n"
    "  judge --self-test                     proves the ears on unmasked sound; a verdict without it does not count\n"
    "\n"
    "Exit code: 0 judged (whatever the verdict), 1 self-test failed, 2 wrong use or unreadable file.";

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "judge: %s\n", std::string(status.message()).c_str());
  return 2;
}

int Compare(const std::vector<std::string>& files, const flattone::judge::CompareOptions& options) {
  const auto caller = flattone::dsp::ReadWav(files[0]);
  if (!caller.ok()) return Fail(caller.status());
  const auto agent = flattone::dsp::ReadWav(files[1]);
  if (!agent.ok()) return Fail(agent.status());
  std::printf("%s\n", flattone::judge::ReportComparison(flattone::judge::Compare(*caller, *agent, options)).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(kAbout, "judge");
  std::vector<std::string> files, compare;
  flattone::judge::ReportOptions report;
  flattone::judge::CompareOptions options;
  int64_t delay = 0;
  bool self_test = false;
  app.add_option("wav", files, "recordings to judge");
  app.add_option("--compare", compare, "caller's recording, then agent's")->expected(2);
  const CLI::Option* delay_given = app.add_option(
      "--delay", delay, "with --compare: samples by which the agent's recording is later; found when absent");
  app.add_option("--most-delay", options.most_delay, "with --compare: how far to look for the delay, samples")
      ->check(CLI::Range(0, 80000))->capture_default_str();
  app.add_option("--slack", options.slack, "with --compare: a frame may lie that many samples off")
      ->check(CLI::Range(0, 800))->capture_default_str();
  app.add_option("--speech-dbm0", options.speech_dbm0, "with --compare: quieter frames are not speech")
      ->capture_default_str();
  app.add_option("--tone-hz", report.flat_tone_hz, "pitch of the flat tone")->capture_default_str();
  app.add_flag("--digits", report.digits, "also print which digits were heard: for test cards only");
  app.add_flag("--self-test", self_test, "prove the ears, print what was tried");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (self_test) {
    std::string text;
    const bool good = flattone::judge::SelfTest(&text);
    std::fputs(text.c_str(), stdout);
    return good ? 0 : 1;
  }
  if (delay_given->count() > 0) options.delay = delay;
  options.flat_tone_hz = report.flat_tone_hz;
  if (!compare.empty()) return Compare(compare, options);
  if (files.empty()) {
    std::fputs("judge: name a WAV file, --compare or --self-test (see --help)\n", stderr);
    return 2;
  }
  for (const std::string& file : files) {
    const auto sound = flattone::dsp::ReadWav(file);
    if (!sound.ok()) return Fail(sound.status());
    std::printf("%s\n", flattone::judge::ReportSound(*sound, file, report).c_str());
  }
  return 0;
}
