// One setting, three ways to give it: --vault-address on the command line, FLATTONE_VAULT_ADDRESS in the
// environment, vault-address in the file named by --config (TOML or INI). The command line wins over the
// environment, the environment over the file. A value that cannot be used is answered with its key, the value
// and what it may be.
//
//   flags.Group("Captures");
//   flags.Integer("capture-slots", &config.slots, 1, 100000, "captures that this process can hold at once");
//   flags.Duration("field-timeout", &config.timeout, absl::Seconds(1), absl::Minutes(10), "…");
//
// The variable's value when a flag is declared is its default and is shown by --help.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace flattone::daemon {

class Flags {
 public:
  // `about` is printed above the options by --help; `version` by --version.
  Flags(std::string program, std::string about, std::string version);
  ~Flags();
  Flags(const Flags&) = delete;
  Flags& operator=(const Flags&) = delete;

  // Heading in --help for the flags declared after it.
  void Group(std::string name);

  void Text(std::string_view name, std::string* value, std::string_view help);
  // As Text, but empty is an error.
  void Required(std::string_view name, std::string* value, std::string_view help);
  // As Text, but the value is not shown by --help (a database URL with its password).
  void Hidden(std::string_view name, std::string* value, std::string_view help);
  // "host:port", port 0 to 65535; IPv6 hosts in brackets; several, to dial replicas, with commas. Empty only when the
  // default is empty.
  void Address(std::string_view name, std::string* value, std::string_view help);
  void Choice(std::string_view name, std::string* value, std::vector<std::string> choices, std::string_view help);
  template <typename T>  // any integer type
  void Integer(std::string_view name, T* value, int64_t min, int64_t max, std::string_view help) {
    IntegerInto(name, static_cast<int64_t>(*value), min, max, help, [value](int64_t v) { *value = static_cast<T>(v); });
  }
  void Number(std::string_view name, double* value, double min, double max, std::string_view help);
  // "250ms", "10s", "1h30m".
  void Duration(std::string_view name, absl::Duration* value, absl::Duration min, absl::Duration max, std::string_view help);
  // --name, --name=false.
  void Switch(std::string_view name, bool* value, std::string_view help);
  // Given several times or with commas.
  void List(std::string_view name, std::vector<std::string>* value, std::string_view help);
  // Anything else: `parse` gets the text (the default is left alone when the flag is not given).
  void Custom(std::string_view name, std::string shown_default, std::string_view help,
              std::function<absl::Status(const std::string&)> parse);

  enum class Outcome { kRun, kExit };
  // Sets the variables. kExit after --help and --version (text in *output). INVALID_ARGUMENT names key, value, limits.
  absl::Status Parse(int argc, const char* const* argv, Outcome* outcome, std::string* output);

 private:
  void IntegerInto(std::string_view name, int64_t now, int64_t min, int64_t max, std::string_view help,
                   std::function<void(int64_t)> set);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace flattone::daemon
