#include "tools/callbox/wav.h"

#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace flattone::call {
namespace {

uint32_t Read32(const uint8_t* at) {
  return static_cast<uint32_t>(at[0]) | static_cast<uint32_t>(at[1]) << 8 | static_cast<uint32_t>(at[2]) << 16 |
         static_cast<uint32_t>(at[3]) << 24;
}
uint16_t Read16(const uint8_t* at) { return static_cast<uint16_t>(at[0] | at[1] << 8); }

void Append(std::string& out, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

absl::Status CheckFormat(const uint8_t* format, const std::string& name) {
  const int kind = Read16(format), channels = Read16(format + 2), bits = Read16(format + 14);
  const uint32_t rate = Read32(format + 4);
  if (kind == 1 && channels == 1 && bits == 16 && rate == 8000) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      name, " has format ", kind, ", ", channels, " channels, ", bits, " bits, ", rate,
      " Hz; it must be PCM, mono, 16 bits, 8000 Hz (sox IN -r 8000 -c 1 -b 16 OUT.wav makes it so)"));
}

}  // namespace

absl::StatusOr<std::vector<int16_t>> ParseWav(std::span<const uint8_t> bytes, const std::string& name) {
  if (bytes.size() < 12 || std::memcmp(bytes.data(), "RIFF", 4) != 0 || std::memcmp(bytes.data() + 8, "WAVE", 4) != 0)
    return absl::InvalidArgumentError(absl::StrCat(name, " is not a RIFF/WAVE file"));
  bool format_seen = false;
  for (size_t at = 12; at + 8 <= bytes.size();) {
    const size_t size = std::min<size_t>(Read32(bytes.data() + at + 4), bytes.size() - at - 8);
    const uint8_t* body = bytes.data() + at + 8;
    if (std::memcmp(bytes.data() + at, "fmt ", 4) == 0 && size >= 16) {
      if (absl::Status status = CheckFormat(body, name); !status.ok()) return status;
      format_seen = true;
    } else if (std::memcmp(bytes.data() + at, "data", 4) == 0 && format_seen) {
      std::vector<int16_t> samples(size / 2);
      for (size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<int16_t>(Read16(body + 2 * i));
      return samples;
    }
    at += 8 + size + (size & 1);
  }
  return absl::InvalidArgumentError(absl::StrCat(name, " has no sound in it (no fmt and data chunks)"));
}

absl::StatusOr<std::vector<int16_t>> ReadWav(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path, " cannot be read: ", std::strerror(errno)));
  const std::vector<uint8_t> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return ParseWav(bytes, path);
}

absl::Status WriteWav(const std::string& path, std::span<const int16_t> samples) {
  const uint32_t size = static_cast<uint32_t>(samples.size() * 2);
  std::string out = "RIFF";
  Append(out, 36 + size, 4);
  out += "WAVEfmt ";
  Append(out, 16, 4);
  Append(out, 1, 2);
  Append(out, 1, 2);
  Append(out, 8000, 4);
  Append(out, 16000, 4);
  Append(out, 2, 2);
  Append(out, 16, 2);
  out += "data";
  Append(out, size, 4);
  for (int16_t sample : samples) Append(out, static_cast<uint16_t>(sample), 2);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(out.data(), static_cast<std::streamsize>(out.size()));
  file.close();
  if (!file) return absl::UnavailableError(absl::StrCat(path, " cannot be written: ", std::strerror(errno)));
  return absl::OkStatus();
}

}  // namespace flattone::call
