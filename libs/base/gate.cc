#include "libs/base/gate.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

namespace flattone {

void Gates::Reach(std::string_view gate) const {
  if (directory_.empty()) return;
  const std::string path = directory_ + "/" + std::string(gate);
  const auto exists = [&path](const char* suffix) { return access((path + suffix).c_str(), F_OK) == 0; };
  if (!exists(".hold")) return;
  // Written aside and renamed: who sees the file sees its content.
  const std::string made = path + ".reached." + std::to_string(getpid());
  if (std::FILE* file = std::fopen(made.c_str(), "w")) {
    std::fprintf(file, "%d\n", static_cast<int>(getpid()));
    std::fclose(file);
    std::rename(made.c_str(), (path + ".reached").c_str());
  }
  for (int i = 0; i < 60'000 && exists(".hold") && !exists(".go"); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace flattone
