#include "libs/dsp/wav.h"

#include <cstring>
#include <fstream>
#include <optional>

#include "absl/strings/str_cat.h"
#include "libs/dsp/g711.h"
#include "libs/dsp/level.h"

namespace flattone::dsp {
namespace {

constexpr size_t kMostBytes = size_t{1} << 30;

uint32_t Little(std::span<const uint8_t> bytes, size_t at, int count) {
  uint32_t value = 0;
  for (int i = count - 1; i >= 0; --i) value = value << 8 | bytes[at + i];
  return value;
}

void Put(std::vector<uint8_t>& out, uint32_t value, int count) {
  for (int i = 0; i < count; ++i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

struct Format {
  uint32_t tag = 0, channels = 0, rate = 0, align = 0, bits = 0;
};

absl::Status CheckFormat(const Format& f) {
  const bool known = (f.tag == 1 && (f.bits == 16 || f.bits == 8)) || ((f.tag == 6 || f.tag == 7) && f.bits == 8);
  if (!known) return absl::InvalidArgumentError(absl::StrCat("WAV format ", f.tag, " with ", f.bits, " bits is not read: use 16-bit PCM"));
  if (f.rate != kSampleRate) return absl::InvalidArgumentError(absl::StrCat("WAV has ", f.rate, " samples a second; it must have 8000"));
  if (f.channels == 0 || f.align != f.channels * f.bits / 8) return absl::InvalidArgumentError("WAV header: channels and alignment disagree");
  return absl::OkStatus();
}

int16_t SampleAt(std::span<const uint8_t> data, size_t at, const Format& f) {
  if (f.tag == 6) return Decode(Law::kA, data[at]);
  if (f.tag == 7) return Decode(Law::kMu, data[at]);
  if (f.bits == 8) return static_cast<int16_t>((data[at] - 128) * 256);
  return static_cast<int16_t>(Little(data, at, 2));
}

}  // namespace

absl::StatusOr<std::vector<int16_t>> ParseWav(std::span<const uint8_t> file) {
  if (file.size() < 12 || std::memcmp(file.data(), "RIFF", 4) != 0 || std::memcmp(file.data() + 8, "WAVE", 4) != 0) {
    return absl::InvalidArgumentError("not a WAV file (no RIFF/WAVE header)");
  }
  std::optional<Format> format;
  for (size_t at = 12; at + 8 <= file.size();) {
    size_t size = Little(file, at + 4, 4);
    const size_t body = at + 8;
    if (size > file.size() - body) size = file.size() - body;  // a recorder that died left the size open
    if (std::memcmp(file.data() + at, "fmt ", 4) == 0 && size >= 16) {
      Format f{Little(file, body, 2), Little(file, body + 2, 2), Little(file, body + 4, 4), Little(file, body + 12, 2),
               Little(file, body + 14, 2)};
      if (absl::Status status = CheckFormat(f); !status.ok()) return status;
      format = f;
    } else if (std::memcmp(file.data() + at, "data", 4) == 0) {
      if (!format) return absl::InvalidArgumentError("WAV: data before the format");
      std::vector<int16_t> samples;
      samples.reserve(size / format->align);
      for (size_t i = 0; i + format->align <= size; i += format->align) {
        samples.push_back(SampleAt(file, body + i, *format));
      }
      return samples;
    }
    at = body + size + (size & 1);
  }
  return absl::InvalidArgumentError("WAV: no data chunk");
}

absl::StatusOr<std::vector<int16_t>> ReadWav(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return absl::NotFoundError(absl::StrCat("cannot open ", path));
  const auto size = static_cast<size_t>(in.tellg());
  if (size > kMostBytes) return absl::ResourceExhaustedError(absl::StrCat(path, " is larger than 1 GiB"));
  std::vector<uint8_t> bytes(size);
  in.seekg(0);
  if (!in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size))) {
    return absl::DataLossError(absl::StrCat("cannot read ", path));
  }
  absl::StatusOr<std::vector<int16_t>> samples = ParseWav(bytes);
  if (!samples.ok()) return absl::Status(samples.status().code(), absl::StrCat(path, ": ", samples.status().message()));
  return samples;
}

absl::Status WriteWav(const std::string& path, std::span<const int16_t> samples) {
  const auto bytes = static_cast<uint32_t>(samples.size() * 2);
  std::vector<uint8_t> out;
  out.reserve(44 + bytes);
  const auto text = [&out](const char* four) { out.insert(out.end(), four, four + 4); };
  text("RIFF");
  Put(out, 36 + bytes, 4);
  text("WAVE");
  text("fmt ");
  Put(out, 16, 4);
  Put(out, 1, 2);
  Put(out, 1, 2);
  Put(out, kSampleRate, 4);
  Put(out, kSampleRate * 2, 4);
  Put(out, 2, 2);
  Put(out, 16, 2);
  text("data");
  Put(out, bytes, 4);
  for (const int16_t s : samples) Put(out, static_cast<uint16_t>(s), 2);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(out.data()), static_cast<std::streamsize>(out.size()));
  file.close();
  if (!file) return absl::UnavailableError(absl::StrCat("cannot write ", path));
  return absl::OkStatus();
}

}  // namespace flattone::dsp
