#include <spandsp.h>
#undef SAMPLE_RATE

#include <array>
#include <cmath>
#include <complex>
#include <cstdio>
#include <numbers>
#include <string>
#include <unistd.h>

#include "libs/dsp/dtmf.h"
#include "libs/dsp/g711.h"
#include "libs/dsp/hop_bank.h"
#include "libs/dsp/level.h"
#include "libs/dsp/noise.h"
#include "libs/dsp/wav.h"
#include "libs/testing/catch.h"

namespace flattone::dsp {
namespace {

TEST_CASE("every codeword survives decode and encode, except minus zero of mu-law") {
  for (int c = 0; c < 256; ++c) {
    const auto codeword = static_cast<uint8_t>(c);
    CHECK(Encode(Law::kA, Decode(Law::kA, codeword)) == codeword);
    if (codeword != 0x7f) CHECK(Encode(Law::kMu, Decode(Law::kMu, codeword)) == codeword);
  }
  CHECK(Decode(Law::kMu, 0x7f) == 0);
}

TEST_CASE("G.711 agrees with spandsp on every codeword and, within one step, on every sample") {
  for (int c = 0; c < 256; ++c) {
    CHECK(Decode(Law::kMu, static_cast<uint8_t>(c)) == ulaw_to_linear(static_cast<uint8_t>(c)));
    CHECK(Decode(Law::kA, static_cast<uint8_t>(c)) == alaw_to_linear(static_cast<uint8_t>(c)));
  }
  for (int s = -32768; s <= 32767; ++s) {
    const auto sample = static_cast<int16_t>(s);
    if (Encode(Law::kMu, sample) != linear_to_ulaw(sample)) {
      const int ours = std::abs(Decode(Law::kMu, Encode(Law::kMu, sample)) - s);
      REQUIRE(ours <= std::abs(ulaw_to_linear(linear_to_ulaw(sample)) - s) + 4);
    }
    if (Encode(Law::kA, sample) != linear_to_alaw(sample)) {
      const int ours = std::abs(Decode(Law::kA, Encode(Law::kA, sample)) - s);
      REQUIRE(ours <= std::abs(alaw_to_linear(linear_to_alaw(sample)) - s) + 8);
    }
  }
}

TEST_CASE("the generator's keys are what spandsp decodes, and their level is what was asked") {
  std::vector<int16_t> sound(8000 * 4);
  AddKeys(sound, 400, kKeypad, 640, 640);
  dtmf_rx_state_t* rx = dtmf_rx_init(nullptr, nullptr, nullptr);
  dtmf_rx(rx, sound.data(), static_cast<int>(sound.size()));
  std::array<char, 64> digits{};
  dtmf_rx_get(rx, digits.data(), 63);
  dtmf_rx_free(rx);
  CHECK(std::string(digits.data()) == std::string(kKeypad));
  const double level = Dbm0OfPower(MeanSquare(std::span(sound).subspan(400, 640)));
  CHECK(level == Approx(-10 + 3.01).margin(0.2));
}

TEST_CASE("event codes and symbols are inverse") {
  for (const char symbol : kKeypad) {
    REQUIRE(EventOfSymbol(symbol).has_value());
    CHECK(SymbolOfEvent(*EventOfSymbol(symbol)) == symbol);
  }
  CHECK_FALSE(SymbolOfEvent(16).has_value());
  CHECK_FALSE(EventOfSymbol('x').has_value());
  CHECK_FALSE(KeypadIndex('E').has_value());
}

// The plain sum that HopWindows makes in pieces.
std::complex<double> Sum(std::span<const int16_t> sound, double hz) {
  std::complex<double> sum = 0;
  for (size_t i = 0; i < sound.size(); ++i) {
    sum += static_cast<double>(sound[i]) * std::polar(1.0, -2 * std::numbers::pi * hz * static_cast<double>(i) / kSampleRate);
  }
  return sum;
}

TEST_CASE("sums over one, two and four hops are those of the plain formula, on every instruction set of this machine") {
  const std::vector<double> hz = {697, 1209, 1000.5, 652, 1633, 2700, 220, 941, 1477.25};
  const HopBank bank(hz, GENERATE(20, 40));
  const size_t hop = static_cast<size_t>(bank.hop());
  REQUIRE(bank.padded() == 16);
  std::vector<int16_t> sound(8000);
  AddSine(sound, 0, 8000, 1000.5, -10);
  AddNoise(sound, -20, 4);
  const std::span<const int16_t> all = sound;
  REQUIRE(HopBankTargets().size() >= 2);
  for (const char* target : HopBankTargets()) {
    CAPTURE(target);
    REQUIRE(ForceHopBankTarget(target));
    HopWindows<16, 16, 8> windows(bank);
    for (size_t end = hop; end <= sound.size(); end += hop) {
      windows.Push(all.subspan(end - hop, hop));
      if (end < 1000 || end % 700 >= hop) continue;
      for (int f = 0; f < bank.size(); ++f) {
        const auto exact = [&](size_t hops, size_t ago) { return std::abs(Sum(all.subspan(end - (ago + hops) * hop, hops * hop), hz[f])); };
        CHECK(std::sqrt(windows.power()[f]) == Approx(exact(4, 0)).epsilon(1e-4).margin(3));
        CHECK(std::abs(windows.Four(f, 5)) == Approx(exact(4, 5)).epsilon(1e-4).margin(3));
        CHECK(std::abs(windows.One(f, 6)) == Approx(exact(1, 6)).epsilon(1e-4).margin(3));
        CHECK(std::abs(windows.Four(f, 0) + windows.FourBefore(f)) == Approx(exact(8, 0)).epsilon(1e-4).margin(3));
      }
      CHECK(windows.Energy(8) == Approx(MeanSquare(all.subspan(end - 8 * hop, 8 * hop)) * 8 * static_cast<double>(hop)).epsilon(1e-4));
    }
    windows.Reset();
    CHECK(windows.Energy(8) == 0);
  }
  REQUIRE(ForceHopBankTarget(""));
}

TEST_CASE("background follows the quiet, comfort noise has the level asked") {
  BackgroundLevel level;
  CHECK(Dbm0OfPower(level.power()) == Approx(-60).margin(0.1));
  for (int i = 0; i < 60; ++i) level.Add(PowerOfDbm0(i % 7 == 0 ? -50 : -15));
  CHECK(Dbm0OfPower(level.power()) == Approx(-50).margin(0.1));
  for (int i = 0; i < 200; ++i) level.Add(PowerOfDbm0(-5));
  CHECK(Dbm0OfPower(level.power()) == Approx(-30).margin(0.1));
  std::vector<int16_t> out(8000);
  ComfortNoise(7).Fill(out, PowerOfDbm0(-45));
  CHECK(Dbm0OfPower(MeanSquare(out)) == Approx(-45).margin(0.3));
}

TEST_CASE("a WAV that was written reads back; what is no WAV says why") {
  std::vector<int16_t> sound(801);
  AddSine(sound, 0, 801, 440, -6);
  const std::string path = "/tmp/flattone-dsp-test-" + std::to_string(getpid()) + ".wav";
  REQUIRE(WriteWav(path, sound).ok());
  const auto back = ReadWav(path);
  REQUIRE(back.ok());
  CHECK(*back == sound);
  std::remove(path.c_str());
  CHECK(ReadWav(path).status().code() == absl::StatusCode::kNotFound);
  const std::array<uint8_t, 4> junk = {'R', 'I', 'F', 'F'};
  CHECK(ParseWav(junk).status().code() == absl::StatusCode::kInvalidArgument);
  const std::array<uint8_t, 20> no_data = {'R', 'I', 'F', 'F', 0, 0, 0, 0, 'W', 'A', 'V', 'E', 'd', 'a', 't', 'a', 0xff, 0xff, 0, 0};
  CHECK_FALSE(ParseWav(no_data).ok());
}

}  // namespace
}  // namespace flattone::dsp
