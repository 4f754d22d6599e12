#include "libs/base/gate.h"

#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "libs/testing/catch.h"

namespace flattone {
namespace {

struct Directory {
  Directory() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Directory() { std::filesystem::remove_all(path); }
  void Touch(const std::string& name) { std::ofstream(path + "/" + name) << ""; }
  bool Has(const std::string& name) { return std::filesystem::exists(path + "/" + name); }
  std::string path = (std::filesystem::temp_directory_path() / "flattone-gate-XXXXXX").string();
};

TEST_CASE("Without a directory, or where the test holds nothing, nobody waits") {
  Gates().Reach("anywhere");
  Directory directory;
  Gates(directory.path).Reach("elsewhere");
  CHECK_FALSE(directory.Has("elsewhere.reached"));
}

TEST_CASE("An armed gate says that it was reached and opens when told") {
  Directory directory;
  directory.Touch("here.hold");
  const Gates gates(directory.path);
  std::atomic<bool> passed{false};
  std::thread process([&] {
    gates.Reach("here");
    passed = true;
  });
  while (!directory.Has("here.reached")) std::this_thread::yield();
  CHECK_FALSE(passed);
  int pid = 0;
  std::ifstream(directory.path + "/here.reached") >> pid;
  CHECK(pid == getpid());
  directory.Touch("here.go");
  process.join();
  CHECK(passed);
}

}  // namespace
}  // namespace flattone
