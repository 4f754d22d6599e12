#include "tools/judge/decoders.h"

#include <fcntl.h>
#include <spandsp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>
#include <numbers>
#include <string_view>

namespace flattone::judge {
namespace {

constexpr int kBlock = 160;
constexpr int kTaps = 16;  // either side

struct Ear {
  std::vector<HeardKey> keys;
  int64_t now = 0;
};

void OnTone(void* user, int code, int level, int delay) {
  auto& ear = *static_cast<Ear*>(user);
  if (!ear.keys.empty() && ear.keys.back().end == 0) ear.keys.back().end = ear.now;
  if (code != 0) ear.keys.push_back({.symbol = static_cast<char>(code), .onset = std::max<int64_t>(0, ear.now - 320)});
}

// 8,000 → 22,050 Hz is 160 → 441: the windowed sinc has one row of weights for each of 441 phases.
constexpr int64_t kUp = 441, kDown = 160;

std::vector<double> SincRows() {
  std::vector<double> rows(kUp * 2 * kTaps);
  for (int64_t phase = 0; phase < kUp; ++phase) {
    for (int tap = 0; tap < 2 * kTaps; ++tap) {
      const double x = static_cast<double>(phase) / kUp - (tap - kTaps + 1);
      const double sinc = std::abs(x) < 1e-9 ? 1.0 : std::sin(std::numbers::pi * x) / (std::numbers::pi * x);
      rows[phase * 2 * kTaps + tap] = sinc * (0.5 + 0.5 * std::cos(std::numbers::pi * x / (kTaps + 1)));
    }
  }
  return rows;
}

std::vector<int16_t> Resample(std::span<const int16_t> in) {
  static const std::vector<double> rows = SincRows();
  const auto n = static_cast<int64_t>(in.size());
  std::vector<int16_t> out(static_cast<size_t>(n * kUp / kDown));
  for (int64_t i = 0; i < static_cast<int64_t>(out.size()); ++i) {
    const int64_t first = i * kDown / kUp - kTaps + 1;
    const double* row = &rows[i * kDown % kUp * 2 * kTaps];
    double sum = 0;
    for (int64_t tap = std::max<int64_t>(0, -first); tap < std::min<int64_t>(2 * kTaps, n - first); ++tap) {
      sum += in[first + tap] * row[tap];
    }
    out[i] = static_cast<int16_t>(std::clamp(sum, -32768.0, 32767.0));
  }
  return out;
}

std::string DigitsOf(std::string_view text) {
  std::string digits;
  for (size_t at = text.find("DTMF: "); at != std::string_view::npos; at = text.find("DTMF: ", at + 1)) {
    if (at + 6 < text.size()) digits += text[at + 6];
  }
  return digits;
}

[[noreturn]] void RunMultimon(int sound, int answer) {
  dup2(sound, 0);
  dup2(answer, 1);
  const int null = open("/dev/null", O_WRONLY);
  if (null >= 0) dup2(null, 2);
  execlp("multimon-ng", "multimon-ng", "-q", "-a", "DTMF", "-t", "raw", "/dev/stdin", nullptr);
  _exit(127);
}

}  // namespace

std::vector<HeardKey> AskSpandsp(std::span<const int16_t> sound) {
  Ear ear;
  dtmf_rx_state_t* rx = dtmf_rx_init(nullptr, nullptr, nullptr);
  dtmf_rx_set_realtime_callback(rx, &OnTone, &ear);
  for (size_t at = 0; at < sound.size(); at += kBlock) {
    const size_t n = std::min<size_t>(kBlock, sound.size() - at);
    ear.now = static_cast<int64_t>(at + n);
    dtmf_rx(rx, sound.data() + at, static_cast<int>(n));
  }
  dtmf_rx_free(rx);
  if (!ear.keys.empty() && ear.keys.back().end == 0) ear.keys.back().end = ear.now;
  return ear.keys;
}

std::optional<std::string> AskMultimon(std::span<const int16_t> sound) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::vector<int16_t> resampled = Resample(sound);
  std::array<int, 2> in{}, out{};
  if (pipe2(in.data(), O_CLOEXEC) != 0) return std::nullopt;
  if (pipe2(out.data(), O_CLOEXEC) != 0) return std::nullopt;
  const pid_t child = fork();
  if (child == 0) RunMultimon(in[0], out[1]);
  close(in[0]);
  close(out[1]);
  const pid_t writer = child < 0 ? -1 : fork();  // a process of its own, so that neither pipe can fill up
  if (writer == 0) {
    const auto* bytes = reinterpret_cast<const char*>(resampled.data());
    for (size_t at = 0, size = resampled.size() * 2; at < size;) {
      const ssize_t n = write(in[1], bytes + at, std::min<size_t>(size - at, 65536));
      if (n <= 0) break;
      at += static_cast<size_t>(n);
    }
    _exit(0);
  }
  close(in[1]);
  std::string text;
  std::array<char, 4096> some{};
  for (ssize_t n = 0; (n = read(out[0], some.data(), some.size())) > 0;) text.append(some.data(), static_cast<size_t>(n));
  close(out[0]);
  int status = 0;
  if (writer > 0) waitpid(writer, nullptr, 0);
  if (child < 0 || waitpid(child, &status, 0) != child) return std::nullopt;
  if (!WIFEXITED(status) || WEXITSTATUS(status) == 127) return std::nullopt;
  return DigitsOf(text);
}

}  // namespace flattone::judge
