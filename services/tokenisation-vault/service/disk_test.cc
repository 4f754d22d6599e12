// The security code never reaches a disk: the files of the database and the log are read after every step of a payment.
#include <fstream>
#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/tokenisation-vault/service/test_rig.h"

namespace flattone::vault {
namespace {

const std::string kAmexPan = CardNumber("37", 15), kAmexExpiry = "1230", kAmexCode = "9476";

std::string Spread(const std::string& digits, size_t stride, char base, bool low_first = true) {
  std::string out;
  for (char c : digits) {
    std::string unit(stride, '\0');
    unit[low_first ? 0 : stride - 1] = static_cast<char>(c - '0' + base);
    out += unit;
  }
  return out;
}

std::string PackedDigits(const std::string& digits, bool low_first) {
  std::string out;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    const int a = digits[i] - '0', b = digits[i + 1] - '0';
    out.push_back(static_cast<char>(low_first ? b << 4 | a : a << 4 | b));
  }
  return out;
}

// Those characters of a base64 text that depend on `text` alone, with so many bytes before it.
std::string Base64Middle(const std::string& text, size_t before) {
  const std::string whole = absl::Base64Escape(std::string(before, 'x') + text);
  const size_t from = (before * 8 + 5) / 6, to = (before + text.size()) * 8 / 6;
  return whole.substr(from, to - from);
}

// The code by itself where four bytes or more tell it; two packed bytes are anywhere, so there the expiry stands before it.
std::map<std::string, std::string> Disguises() {
  const std::string both = kAmexExpiry + kAmexCode;
  std::map<std::string, std::string> all = {
      {"ascii", kAmexCode},
      {"one value per byte", Spread(kAmexCode, 1, '\0')},
      {"utf-16", Spread(kAmexCode, 2, '0')},
      {"utf-16, big-endian", Spread(kAmexCode, 2, '0', false)},
      {"one character per 4 bytes", Spread(kAmexCode, 4, '0')},
      {"hexadecimal", absl::BytesToHexString(kAmexCode)},
      {"bcd", PackedDigits(both, false)},
      {"bcd, low nibble first", PackedDigits(both, true)},
      {"32-bit integer", absl::HexStringToBytes(absl::StrCat(absl::Hex(std::stoul(both), absl::kZeroPad8)))},
  };
  for (size_t before : {0, 1, 2}) all[absl::StrCat("base64, ", before)] = Base64Middle(both, before);
  return all;
}

std::string OnDisk(const World& world) {
  const std::string path = world.scratch.url().substr(sizeof("sqlite:") - 1);
  std::string all;
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    std::ifstream in(path + suffix, std::ios::binary);
    all.append(std::istreambuf_iterator<char>(in), {});
  }
  return all;
}

std::string FoundIn(const std::string& bytes) {
  std::string found;
  for (const auto& [name, pattern] : Disguises()) {
    if (bytes.find(pattern) != std::string::npos) absl::StrAppend(&found, found.empty() ? "" : "; ", name);
  }
  return found;
}

TEST_CASE("the security code reaches neither the database's files nor the log, at any step of a payment") {
  World world(storage::testing::Backend::kSqlite);
  {
    Node node(world, "127.0.0.1:1");
    const auto look = [&](const char* step) {
      INFO(step);
      std::string all = OnDisk(world);
      for (const std::string& line : node.lines) all += line + "\n";
      CHECK(FoundIn(all) == "");
    };
    look("before");
    auto entry = node.Open("cap_1");
    node.Type("cap_1", kAmexPan + kAmexExpiry + kAmexCode);
    REQUIRE(entry->progress().state == CaptureState::kComplete);
    look("typed");
    const auto row = node.Tokenise("cap_1");
    REQUIRE(row.ok());
    REQUIRE(node.vault->codes().Has(row->token));
    REQUIRE(OnDisk(world).find(kAmexPan.substr(11)) != std::string::npos);  // the row is there: its last four
    look("tokenised");
    const auto released = node.Release(row->token, true);
    REQUIRE(released.ok());
    CHECK(node.OpenSealed(row->token, *released)->Reveal(kTest).security_code_text() == kAmexCode);
    look("released to the adapter");
    REQUIRE(node.vault->cards().Wipe("ten_a", row->token, false, node.adapter).ok());
    look("answered");
    REQUIRE(node.vault->cards().Wipe("ten_a", row->token, true, node.adapter).ok());
    node.Advance(absl::Minutes(11));
    look("final");
  }
  CHECK(FoundIn(OnDisk(world)) == "");  // closed: the log has gone into the file
  // The same look finds each disguise where it was written on purpose.
  Node node(world, "127.0.0.1:1");
  REQUIRE(node.database->Write([](storage::Transaction& tx) { return tx.Execute("CREATE TABLE planted (bytes BLOB)").status(); }).ok());
  for (const auto& [name, pattern] : Disguises()) {
    CAPTURE(name);
    CHECK(FoundIn(OnDisk(world)).find(name) == std::string::npos);
    const std::string insert = absl::StrCat("INSERT INTO planted VALUES (x'", absl::BytesToHexString(pattern), "')");
    REQUIRE(node.database->Write([&](storage::Transaction& tx) { return tx.Execute(insert).status(); }).ok());
    CHECK(absl::StrContains(FoundIn(OnDisk(world)), name));
  }
}

}  // namespace
}  // namespace flattone::vault
