#include "services/dtmf-masking/mask/flat_tone.h"

#include "libs/dsp/dtmf.h"

namespace flattone::masking {

FlatTone::FlatTone(const FlatToneOptions& options, dsp::Law law) : codewords_(options.duration_samples) {
  std::vector<int16_t> sound(codewords_.size());
  dsp::AddSine(sound, 0, static_cast<int64_t>(sound.size()), options.frequency_hz, options.level_dbm0);
  dsp::Encode(law, sound, codewords_);
}

}  // namespace flattone::masking
