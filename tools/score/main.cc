// masking-score: measures the masker's detectors, prints one CSV line a figure. tools/score-detector calls it.
//
//   masking-score speech|talkoff|music|leak|digits|time [--keys N] FILE.wav...
//
// Each file is one voice (or piece of music), named by its file. leak and time take speech; digits takes none.
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "libs/dsp/wav.h"
#include "tools/score/score.h"

int main(int argc, char** argv) {
  using namespace flattone;
  if (argc < 2) {
    std::fprintf(stderr, "masking-score speech|talkoff|music|leak|digits|time [--keys N] FILE.wav...\n");
    return 2;
  }
  const std::string what = argv[1];
  int keys = 2000;
  std::vector<score::Voice> voices;
  for (int i = 2; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--keys" && i + 1 < argc) {
      keys = std::atoi(argv[++i]);
      continue;
    }
    auto sound = dsp::ReadWav(argv[i]);
    if (!sound.ok()) {
      std::fprintf(stderr, "masking-score: %s: %s\n", argv[i], std::string(sound.status().message()).c_str());
      return 1;
    }
    sound->resize(sound->size() / 160 * 160);
    voices.push_back({std::filesystem::path(argv[i]).stem(), std::move(*sound)});
  }
  if (what == "leak") {
    score::LeakRows(voices, keys);
  } else if (what == "digits") {
    score::DigitRows(keys);
  } else if (what == "time") {
    score::TimeRows(voices);
  } else {
    score::SpeechRows(what, voices);
  }
  return 0;
}
