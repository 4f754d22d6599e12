#include "libs/daemon/flags.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "libs/testing/catch.h"

namespace flattone::daemon {
namespace {

struct Fixture {
  Fixture() {
    unsetenv("FLATTONE_VAULT_ADDRESS");
    flags.Group("Test");
    flags.Address("vault-address", &vault, "where the vault is");
    flags.Integer("slots", &slots, 1, 100, "captures at once");
    flags.Duration("wait", &wait, absl::Seconds(1), absl::Minutes(1), "how long");
    flags.Number("share", &share, 0, 1, "share");
    flags.Switch("strict", &strict, "be strict");
    flags.Switch("polite", &polite, "be polite");
    flags.List("cidr", &cidrs, "networks");
    flags.Choice("mode", &mode, {"fast", "slow"}, "mode");
    flags.Hidden("database", &database, "where data is kept");
  }
  absl::Status Parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "probe");
    return flags.Parse(static_cast<int>(arguments.size()), arguments.data(), &outcome, &output);
  }
  std::string Problem(std::vector<const char*> arguments) { return std::string(Parse(std::move(arguments)).message()); }

  Flags flags{"probe", "Does nothing, well.", "1.2.3"};
  std::string vault = "127.0.0.1:7003", mode = "fast", database = "sqlite:secret-name";
  uint16_t slots = 7;
  absl::Duration wait = absl::Seconds(5);
  double share = 0.5;
  bool strict = false, polite = true;
  std::vector<std::string> cidrs;
  Flags::Outcome outcome = Flags::Outcome::kRun;
  std::string output;
};

struct File {
  explicit File(const std::string& text) {
    close(mkstemp(path));
    std::ofstream(path) << text;
  }
  ~File() { std::remove(path); }
  static void close(int fd) { fclose(fdopen(fd, "w")); }
  char path[32] = "/tmp/flattone-flags-XXXXXX";
};

TEST_CASE("Defaults stay when nothing is given") {
  Fixture f;
  REQUIRE(f.Parse({}).ok());
  CHECK((f.vault == "127.0.0.1:7003" && f.slots == 7 && f.wait == absl::Seconds(5) && !f.strict && f.polite && f.cidrs.empty()));
}

TEST_CASE("The command line sets every kind") {
  Fixture f;
  const auto status = f.Parse({"--vault-address", "[::1]:0", "--slots=9", "--wait", "1500ms", "--share", "0.25", "--strict", "--polite=false",
                               "--cidr", "10.0.0.0/8,192.168.0.0/16", "--cidr", "::1/128", "--mode", "slow"});
  INFO(status.ToString());
  REQUIRE(status.ok());
  CHECK((f.vault == "[::1]:0" && f.slots == 9 && f.wait == absl::Milliseconds(1500) && f.share == 0.25 && f.strict && !f.polite && f.mode == "slow"));
  CHECK(f.cidrs == std::vector<std::string>{"10.0.0.0/8", "192.168.0.0/16", "::1/128"});
}

TEST_CASE("The command line wins over the environment, the environment over the file") {
  File file("vault-address = \"file:1\"\nslots = 11\nmode = \"slow\"\nstrict = true\ncidr = [\"10.0.0.0/8\", \"::1/128\"]\n");
  {
    Fixture f;
    REQUIRE(f.Parse({"--config", file.path}).ok());
    CHECK((f.vault == "file:1" && f.slots == 11 && f.mode == "slow" && f.strict && f.cidrs.size() == 2));
  }
  Fixture f;
  setenv("FLATTONE_VAULT_ADDRESS", "environment:2", 1);
  setenv("FLATTONE_SLOTS", "12", 1);
  const auto status = f.Parse({"--config", file.path, "--slots", "13"});
  unsetenv("FLATTONE_VAULT_ADDRESS");
  unsetenv("FLATTONE_SLOTS");
  INFO(status.ToString());
  REQUIRE(status.ok());
  CHECK((f.vault == "environment:2" && f.slots == 13));
}

TEST_CASE("A value that cannot be used is answered with its key, the value and its limits") {
  CHECK(Fixture().Problem({"--slots", "101"}) == "slots (--slots, FLATTONE_SLOTS) is '101'; it must be an integer from 1 to 100");
  CHECK(Fixture().Problem({"--slots", "many"}).find("is 'many'") != std::string::npos);
  CHECK(Fixture().Problem({"--vault-address", "nowhere"}).find("must be host:port") != std::string::npos);
  CHECK(Fixture().Parse({"--vault-address", "10.0.0.1:7003,10.0.0.2:7003"}).ok());
  CHECK(Fixture().Problem({"--vault-address", "10.0.0.1:7003,10.0.0.2"}).find("vault-address") == 0);
  CHECK(Fixture().Problem({"--vault-address", "a:65536"}).find("vault-address") == 0);
  CHECK(Fixture().Problem({"--wait", "2h"}).find("from 1s to 1m") != std::string::npos);
  CHECK(Fixture().Problem({"--share", "nan"}).find("a number from 0 to 1") != std::string::npos);
  CHECK(Fixture().Problem({"--strict=perhaps"}).find("strict") != std::string::npos);
  CHECK(Fixture().Problem({"--mode", "medium"}).find("one of fast, slow") != std::string::npos);
  CHECK(Fixture().Problem({"--unheard"}).find("--unheard") != std::string::npos);
}

TEST_CASE("An unknown key of the file is named, and so is a file that is not there") {
  File file("slotz = 3\n");
  CHECK(Fixture().Problem({"--config", file.path}).find("slotz") != std::string::npos);
  CHECK(Fixture().Problem({"--config", "/nowhere/at/all"}).find("/nowhere/at/all") != std::string::npos);
}

TEST_CASE("A required flag that is missing is named") {
  Flags flags("probe", "", "1");
  std::string value, output;
  flags.Required("tls-key", &value, "key");
  Flags::Outcome outcome;
  const char* argv[] = {"probe"};
  CHECK(std::string(flags.Parse(1, argv, &outcome, &output).message()).find("tls-key (--tls-key, FLATTONE_TLS_KEY)") == 0);
}

TEST_CASE("Help explains every flag with its default but not a hidden one's; version is told") {
  Fixture f;
  REQUIRE(f.Parse({"--help"}).ok());
  CHECK(f.outcome == Flags::Outcome::kExit);
  for (const char* part : {"Does nothing, well.", "--vault-address", "127.0.0.1:7003", "where the vault is", "FLATTONE_VAULT_ADDRESS", "Test", "--config"}) {
    INFO(part << " in " << f.output);
    CHECK(f.output.find(part) != std::string::npos);
  }
  CHECK(f.output.find("secret-name") == std::string::npos);
  REQUIRE(Fixture().Parse({"--version"}).ok());
}

}  // namespace
}  // namespace flattone::daemon
