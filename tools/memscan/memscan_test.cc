#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "libs/testing/catch.h"
#include "tools/memscan/targets.h"

namespace flattone::memscan {
namespace {

// Not a card: no check digit is right here. Made at run time, so that this binary holds no such row of digits.
std::string Number(uint32_t seed, size_t length = 16) {
  std::mt19937 random(seed);
  std::string digits;
  while (digits.size() < length) digits.push_back(static_cast<char>('1' + random() % 9));
  return digits;
}

Wanted WantedOf(const std::string& number) { return {.cards = {{number, "0931", "584"}}, .canary = Number(99)}; }

std::string Strided(const std::string& digits, size_t stride, char base, bool low_first = true) {
  std::string out;
  for (char c : digits) {
    std::string unit(stride, '\0');
    unit[low_first ? 0 : stride - 1] = static_cast<char>(c - '0' + base);
    out += unit;
  }
  return out;
}

std::string Base64(const std::string& text) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (unsigned char c : text) {
    bits = bits << 8 | c;
    for (count += 8; count >= 6; count -= 6) out.push_back(kAlphabet[bits >> (count - 6) & 63]);
  }
  if (count > 0) out.push_back(kAlphabet[bits << (6 - count) & 63]);
  return out;
}

std::string Noise(size_t size) {
  std::mt19937 random(5);
  std::string noise;
  while (noise.size() < size) noise.push_back(static_cast<char>(random()));
  return noise;
}

Result Look(const Finder& finder, const std::string& hidden) {
  const std::string bytes = Noise(5000) + '\xEE' + hidden + '\xEE' + std::string(300, '\0') + Noise(3000);
  Result result;
  finder.Look({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, 0x1000, result);
  return result;
}

}  // namespace

TEST_CASE("a whole number and any seven digits of it are found in every plain encoding, at their place") {
  const std::string number = Number(1);
  const Finder finder(WantedOf(number));
  for (size_t from = 0; from + kWindow <= number.size(); ++from)
    for (size_t length : {kWindow, number.size() - from}) {
      const std::string part = number.substr(from, length);
      for (size_t stride : {1, 2, 4, 8})
        for (char base : {'0', '\0'}) {
          const Result result = Look(finder, Strided(part, stride, base));
          CAPTURE(from, length, stride, static_cast<int>(base));
          REQUIRE(result.findings.size() == 1);
          CHECK(result.findings[0].offset == 0x1000 + 5001);
          CHECK(result.findings[0].digits == static_cast<int>(length));
        }
    }
}

TEST_CASE("big-endian characters are found") {
  const Finder finder(WantedOf(Number(1)));
  for (size_t stride : {2, 4, 8}) CHECK(Look(finder, Strided(Number(1), stride, '0', false)).findings.size() == 1);
}

TEST_CASE("base64 of seven digits is found in each alignment, inside a longer text too") {
  const std::string number = Number(2);
  const Finder finder(WantedOf(number));
  for (size_t from = 0; from + kWindow <= number.size(); ++from)
    for (const char* before : {"", "x", "xy", "{\"pan\":\""})
      CHECK_FALSE(Look(finder, Base64(before + number.substr(from, kWindow) + "\"}")).findings.empty());
}

TEST_CASE("BCD in both nibble orders and at odd starts, hexadecimal, groups and integers are found") {
  const std::string number = Number(3);
  const Finder finder(WantedOf(number));
  const auto bcd = [](const std::string& digits, bool low_first) {
    std::string out;
    for (size_t i = 0; i + 1 < digits.size(); i += 2) {
      const int a = digits[i] - '0', b = digits[i + 1] - '0';
      out.push_back(static_cast<char>(low_first ? b * 16 + a : a * 16 + b));
    }
    return out;
  };
  CHECK_FALSE(Look(finder, bcd(number, false)).findings.empty());
  CHECK_FALSE(Look(finder, bcd(number, true)).findings.empty());
  CHECK_FALSE(Look(finder, bcd("0" + number + "0", false)).findings.empty());
  CHECK_FALSE(Look(finder, number.substr(4, 4) + " " + number.substr(8, 4)).findings.empty());
  std::string hex;
  for (char c : number.substr(3, 7)) hex += {'3', c};
  CHECK_FALSE(Look(finder, hex).findings.empty());
  uint64_t value = std::stoull(number);
  CHECK_FALSE(Look(finder, std::string(reinterpret_cast<const char*>(&value), 8)).findings.empty());
}

TEST_CASE("ten digits of BCD are found where they begin at a byte, eleven anywhere, nine nowhere; text from twelve") {
  for (uint32_t seed = 20; seed < 40; ++seed) {
    const std::string number = Number(seed);
    const Finder finder(WantedOf(number));
    const auto packed = [](const std::string& digits, bool low_first) {
      std::string out;
      for (size_t i = 0; i + 1 < digits.size(); i += 2) {
        const int a = digits[i] - '0', b = digits[i + 1] - '0';
        out.push_back(static_cast<char>(low_first ? b * 16 + a : a * 16 + b));
      }
      return out;
    };
    const auto found = [&](const std::string& bytes) { return !Look(finder, '\xFF' + bytes + '\xFF').findings.empty(); };
    const auto is_text = [](const std::string& bytes) {
      return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c >= 32 && c < 127; });
    };
    for (const bool low_first : {false, true}) {
      CAPTURE(seed, low_first);
      for (size_t from = 0; from + 10 <= number.size(); ++from) {
        const std::string ten = packed(number.substr(from, 10), low_first);
        CHECK(found(ten) == !is_text(ten));
        CHECK_FALSE(found(packed("0" + number.substr(from, 9), low_first)));
      }
      for (size_t from = 0; from + 12 <= number.size(); ++from) {
        CHECK(found(packed(number.substr(from, 12), low_first)));
        const std::string later = packed(number.substr(from + 1, 10), low_first);
        CHECK(found(packed("0" + number.substr(from, 11), low_first)) == !is_text(later));
      }
    }
  }
}

TEST_CASE("what was typed in a row is found across its fields, and the code beside a label or in a string") {
  const std::string number = Number(4);
  const Finder finder(WantedOf(number));
  CHECK_FALSE(Look(finder, "0931584").findings.empty());
  CHECK_FALSE(Look(finder, "card[cvc]=584&").findings.empty());
  CHECK_FALSE(Look(finder, std::string("\x03\0\0\0\0\0\0\0", 8) + "584" + std::string(1, '\0')).findings.empty());
  CHECK(Look(finder, "584").findings.empty());
}

TEST_CASE("noise, another number, six digits and last four are no finding") {
  const std::string number = Number(5);
  const Finder finder(WantedOf(number));
  CHECK(Look(finder, "").findings.empty());
  CHECK(Look(finder, Number(6)).findings.empty());
  CHECK(Look(finder, number.substr(0, 6)).findings.empty());
  CHECK(Look(finder, number.substr(12)).findings.empty());
}

TEST_CASE("seven digits inside another long number are a coincidence, eight are not") {
  const std::string number = Number(7);
  const Finder finder(WantedOf(number));
  const auto other = [&](size_t at) { return number[at] == '9' ? '8' : '9'; };
  const Result seven = Look(finder, std::string(1, other(2)) + number.substr(3, 7) + other(10) + "77777");
  CHECK(seven.findings.empty());
  CHECK(seven.coincidences == 1);
  CHECK_FALSE(Look(finder, std::string(1, other(2)) + number.substr(3, 8) + other(11) + "77777").findings.empty());
}

TEST_CASE("digits that any memory holds prove nothing, the rest of such a card does") {
  CHECK(IsWeak("0000000"));
  CHECK(IsWeak("4000000"));
  CHECK(IsWeak("1234567"));
  CHECK(IsWeak("8901234"));
  CHECK(IsWeak("7777777"));
  CHECK_FALSE(IsWeak("4242424"));
  const std::string number = "4" + std::string(10, '0') + Number(8, 5);
  const Finder finder(WantedOf(number));
  CHECK(Look(finder, std::string(1000, '0')).findings.empty());
  CHECK_FALSE(Look(finder, number).findings.empty());
}

TEST_CASE("lines of standard input are checked, and their content is not repeated") {
  CHECK(ParseWanted("card 123456789012 1230 999\ncanary 9876543210987654\n").ok());
  for (const char* wrong : {"card 1234\n", "card 12345678901a\n", "cards 123456789012\n", "canary 12\n"}) {
    const auto refused = ParseWanted(wrong);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.status().message().find("1234") == absl::string_view::npos);
  }
}

TEST_CASE("our own process: a canary on the heap, a number in a page without access, neither after it is wiped", "[long]") {
  const std::string canary = Number(99);
  std::vector<char> hidden(8192);
  const auto write = [&](char* to, uint32_t seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < 16; ++i) to[i] = static_cast<char>('1' + random() % 9);
  };
  auto* page = static_cast<char*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(page != MAP_FAILED);
  // The child looks for nothing itself: it holds the bytes and waits, so the finder's own copies do not count.
  int to_child[2], to_parent[2];
  REQUIRE(pipe(to_child) == 0);
  REQUIRE(pipe(to_parent) == 0);
  const pid_t child = fork();
  if (child == 0) {
    char byte;
    write(page + 100, 41);
    mprotect(page, 4096, PROT_NONE);
    (void)!::write(to_parent[1], "x", 1);
    (void)!read(to_child[0], &byte, 1);
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
    std::memset(page, 0, 4096);
    (void)!::write(to_parent[1], "x", 1);
    (void)!read(to_child[0], &byte, 1);
    _exit(0);
  }
  char byte;
  REQUIRE(read(to_parent[0], &byte, 1) == 1);
  const Finder finder({.cards = {{Number(41), "", ""}}, .canary = canary});
  const auto held = ScanProcess(child, finder);
  REQUIRE(held.ok());
  CHECK(held->canary);  // copied with our heap when the child was made
  REQUIRE(held->places.size() == 1);
  CHECK(held->places[0].finding.offset == reinterpret_cast<uint64_t>(page) + 100);
  REQUIRE(::write(to_child[1], "x", 1) == 1);
  REQUIRE(read(to_parent[0], &byte, 1) == 1);
  const auto wiped = ScanProcess(child, finder);
  REQUIRE(wiped.ok());
  CHECK(wiped->places.empty());
  REQUIRE(::write(to_child[1], "x", 1) == 1);
  CHECK_FALSE(ScanProcess(0x3FFFFFFF, finder).ok());
}

TEST_CASE("a file of several pieces: what lies across their border is reported once") {
  const std::string path = std::filesystem::temp_directory_path() / "flattone-memscan-test.bin";
  const std::string number = Number(9);
  {
    std::ofstream file(path, std::ios::binary);
    file << std::string((1 << 20) - 8, 'x') << number << std::string((1 << 20) - 100, 'y') << number << Number(99);
  }
  const auto report = ScanFile(path, Finder(WantedOf(number)));
  std::filesystem::remove(path);
  REQUIRE(report.ok());
  CHECK(report->places.size() == 2);
  CHECK(report->canary);
  CHECK_FALSE(ScanFile(path, Finder(WantedOf(number))).ok());
}

TEST_CASE("mappings are read with their names") {
  const auto maps = ParseMaps("7f00-7f10 rw-p 00000000 00:00 0 \n8000-9000 r-xp 00000000 08:01 12  /usr/lib/a b.so\n");
  REQUIRE(maps.size() == 2);
  CHECK(maps[0].end == 0x7f10);
  CHECK(maps[0].name.empty());
  CHECK(maps[1].name == "/usr/lib/a b.so");
  CHECK_FALSE(maps[0].empty);
}

TEST_CASE("smaps also tells which mappings hold nothing, and a sanitizer's shadow is known by its size") {
  const auto maps = ParseMaps("600000000000-601000000000 ---p 00000000 00:00 0 \nSize: 67108864 kB\nRss:        0 kB\nSwap:       0 kB\n"
                              "7000-8000 rw-p 00000000 00:00 0 \nRss:        0 kB\nSwap:       4 kB\nSwapPss:    0 kB\nVmFlags: rd wr\n"
                              "9000-a000 rw-p 00000000 00:00 0          [heap]\nRss:        4 kB\nSwap:       0 kB\n"
                              "2008fff7000-10007fff8000 rw-p 00000000 00:00 0 \nRss:        8 kB\nSwap:       0 kB\n");
  REQUIRE(maps.size() == 4);
  CHECK(maps[0].empty);
  CHECK_FALSE(maps[1].empty);
  CHECK_FALSE(maps[2].empty);
  CHECK(maps[2].name == "[heap]");
  CHECK(IsSanitizerShadow(maps[3]));
  CHECK_FALSE(IsSanitizerShadow(maps[0]));
}

}  // namespace flattone::memscan
