#include "libs/daemon/flags.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include <CLI/CLI.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/error.h"

namespace flattone::daemon {
namespace {

std::string EnvironmentName(std::string_view flag) {
  std::string name = "FLATTONE_";
  for (char c : flag) name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

std::string Where(const std::string& name) {
  return absl::StrCat(name, " (--", name, ", ", EnvironmentName(name), ")");
}

absl::Status Wrong(const std::string& name, const std::string& value, const std::string& limit) {
  return InvalidField(Where(name), absl::StrCat("is '", value, "'"), limit);
}

bool IsOneAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  const std::string host = text.substr(0, colon);
  const bool bracketed = host.front() == '[' && host.back() == ']' && host.size() > 2;
  int port = -1;
  return (bracketed || host.find(':') == std::string::npos) && absl::SimpleAtoi(text.substr(colon + 1), &port) && port >= 0 &&
         port <= 65535;
}

bool IsAddress(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ',');
  return std::all_of(parts.begin(), parts.end(), &IsOneAddress);
}

}  // namespace

struct Flags::Impl {
  struct Entry {
    std::string name;
    CLI::Option* option;
    std::function<absl::Status(const std::vector<std::string>&)> apply;
    std::function<absl::Status()> missing;  // when the flag is not given
  };

  Impl(std::string name, std::string text, std::string v) : app(std::move(text), std::move(name)), version(std::move(v)) {
    app.set_version_flag("--version", version);
    app.set_config("--config", "", "file with settings, one 'key = value' a line, keys as the flags without '--'")->envname("FLATTONE_CONFIG");
    app.allow_config_extras(CLI::config_extras_mode::error);
    app.footer("Every flag may also be given in the environment, --vault-address as FLATTONE_VAULT_ADDRESS, or in the\n"
               "file named by --config. The command line wins, then the environment, then the file.");
    app.get_formatter()->column_width(34);
  }

  CLI::Option* Declare(std::string_view name, std::string_view help, const std::string& shown, bool is_switch) {
    const std::string flag = "--" + std::string(name);
    CLI::Option* option = is_switch ? app.add_flag(flag, raw[std::string(name)], std::string(help))
                                    : app.add_option(flag, lists[std::string(name)], std::string(help));
    if (!is_switch) option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->type_name(shown.empty() ? "TEXT" : "[" + shown + "]");
    option->envname(EnvironmentName(name));
    if (!group.empty()) option->group(group);
    return option;
  }

  // CLI11 lets the file win over the environment; we want the other order, so what the environment gives and the
  // command line does not becomes part of the command line. In reverse, as CLI11's vector form takes it.
  std::vector<std::string> WithEnvironment(int argc, const char* const* argv) const {
    std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    const size_t given = arguments.size();
    for (const Entry& entry : entries) {
      const std::string flag = "--" + entry.name;
      const char* value = std::getenv(EnvironmentName(entry.name).c_str());
      auto is_flag = [&](const std::string& argument) { return argument == flag || argument.rfind(flag + "=", 0) == 0; };
      if (value == nullptr || *value == '\0' || std::any_of(arguments.begin(), arguments.begin() + given, is_flag)) continue;
      arguments.push_back(flag + "=" + value);
    }
    std::reverse(arguments.begin(), arguments.end());
    return arguments;
  }

  CLI::App app;
  std::string version, group;
  std::map<std::string, std::string> raw;
  std::map<std::string, std::vector<std::string>> lists;
  std::vector<Entry> entries;
};

Flags::Flags(std::string program, std::string about, std::string version)
    : impl_(std::make_unique<Impl>(program, std::move(about), program + " " + version)) {}
Flags::~Flags() = default;

void Flags::Group(std::string name) { impl_->group = std::move(name); }

void Flags::Custom(std::string_view name, std::string shown_default, std::string_view help,
                   std::function<absl::Status(const std::string&)> parse) {
  CLI::Option* option = impl_->Declare(name, help, shown_default, false);
  impl_->entries.push_back({std::string(name), option,
                            [parse = std::move(parse)](const std::vector<std::string>& given) { return parse(given.back()); }, nullptr});
}

void Flags::Text(std::string_view name, std::string* value, std::string_view help) {
  Custom(name, *value, help, [value](const std::string& text) {
    *value = text;
    return absl::OkStatus();
  });
}

void Flags::Hidden(std::string_view name, std::string* value, std::string_view help) {
  Custom(name, "", help, [value](const std::string& text) {
    *value = text;
    return absl::OkStatus();
  });
}

void Flags::Required(std::string_view name, std::string* value, std::string_view help) {
  const std::string key(name);
  auto check = [key, value] { return value->empty() ? Wrong(key, "", "given") : absl::OkStatus(); };
  Custom(name, *value, help, [value, check](const std::string& text) {
    *value = text;
    return check();
  });
  impl_->entries.back().missing = check;
}

void Flags::Address(std::string_view name, std::string* value, std::string_view help) {
  Custom(name, *value, help, [key = std::string(name), value, may_be_empty = value->empty()](const std::string& text) {
    if (!IsAddress(text) && !(text.empty() && may_be_empty)) return Wrong(key, text, "host:port with a port from 0 to 65535, such as 127.0.0.1:7003");
    *value = text;
    return absl::OkStatus();
  });
}

void Flags::Choice(std::string_view name, std::string* value, std::vector<std::string> choices, std::string_view help) {
  const std::string limit = absl::StrCat("one of ", absl::StrJoin(choices, ", "));
  Custom(name, *value, absl::StrCat(std::string(help), " (", absl::StrJoin(choices, ", "), ")"),
         [key = std::string(name), value, choices = std::move(choices), limit](const std::string& text) {
           if (std::find(choices.begin(), choices.end(), text) == choices.end()) return Wrong(key, text, limit);
           *value = text;
           return absl::OkStatus();
         });
}

void Flags::IntegerInto(std::string_view name, int64_t now, int64_t min, int64_t max, std::string_view help,
                        std::function<void(int64_t)> set) {
  Custom(name, std::to_string(now), help, [key = std::string(name), min, max, set = std::move(set)](const std::string& text) {
    int64_t parsed = 0;
    if (!absl::SimpleAtoi(text, &parsed) || parsed < min || parsed > max) {
      return Wrong(key, text, absl::StrCat("an integer from ", min, " to ", max));
    }
    set(parsed);
    return absl::OkStatus();
  });
}

void Flags::Number(std::string_view name, double* value, double min, double max, std::string_view help) {
  Custom(name, absl::StrCat(*value), help, [key = std::string(name), value, min, max](const std::string& text) {
    double parsed = 0;
    if (!absl::SimpleAtod(text, &parsed) || !(parsed >= min && parsed <= max)) {
      return Wrong(key, text, absl::StrCat("a number from ", min, " to ", max));
    }
    *value = parsed;
    return absl::OkStatus();
  });
}

void Flags::Duration(std::string_view name, absl::Duration* value, absl::Duration min, absl::Duration max, std::string_view help) {
  Custom(name, absl::FormatDuration(*value), help, [key = std::string(name), value, min, max](const std::string& text) {
    absl::Duration parsed;
    if (!absl::ParseDuration(text, &parsed) || parsed < min || parsed > max) {
      return Wrong(key, text, absl::StrCat("a duration from ", absl::FormatDuration(min), " to ", absl::FormatDuration(max), ", such as 1.5s"));
    }
    *value = parsed;
    return absl::OkStatus();
  });
}

void Flags::Switch(std::string_view name, bool* value, std::string_view help) {
  const std::string key(name);
  CLI::Option* option = impl_->Declare(name, absl::StrCat(std::string(help), *value ? " (on unless =false)" : ""), "", true);
  impl_->entries.push_back({key, option,
                            [key, value](const std::vector<std::string>& given) {
                              if (!absl::SimpleAtob(given.back(), value)) return Wrong(key, given.back(), "true or false");
                              return absl::OkStatus();
                            },
                            nullptr});
}

void Flags::List(std::string_view name, std::vector<std::string>* value, std::string_view help) {
  CLI::Option* option = impl_->Declare(name, help, absl::StrJoin(*value, ","), false);
  impl_->entries.push_back({std::string(name), option,
                            [value](const std::vector<std::string>& given) {
                              value->clear();
                              for (const std::string& part : given) {
                                for (auto item : absl::StrSplit(part, ',', absl::SkipWhitespace())) value->emplace_back(item.data(), item.size());
                              }
                              return absl::OkStatus();
                            },
                            nullptr});
}

absl::Status Flags::Parse(int argc, const char* const* argv, Outcome* outcome, std::string* output) {
  *outcome = Outcome::kRun;
  try {
    impl_->app.parse(impl_->WithEnvironment(argc, argv));
  } catch (const CLI::CallForHelp&) {
    *output = impl_->app.help();
    *outcome = Outcome::kExit;
    return absl::OkStatus();
  } catch (const CLI::CallForVersion&) {
    *output = impl_->version + "\n";
    *outcome = Outcome::kExit;
    return absl::OkStatus();
  } catch (const CLI::ConfigError& error) {
    return InvalidField("config", error.what(), "a file whose keys are flags of this program (see --help)");
  } catch (const CLI::Error& error) {
    return InvalidField("command line", absl::StrCat("is not understood: ", error.what()), "flags that --help lists");
  }
  for (const auto& entry : impl_->entries) {
    absl::Status status = entry.option->count() > 0 ? entry.apply(entry.option->results()) : entry.missing ? entry.missing() : absl::OkStatus();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace flattone::daemon
