// Path, query and body of every route: whatever comes in, a message or a status comes out.
// Input: verb index, then target '\n' body.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "services/session-orchestration/rest/bind.h"
#include "services/session-orchestration/rest/routes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace flattone::session;
  static const auto* routes =
      new rest::Routes(rest::Routes::From(rest::PublicServices()).value());
  static const char* kVerbs[] = {"GET", "POST", "PUT", "DELETE"};
  if (size < 2) return 0;
  const std::string input(reinterpret_cast<const char*>(data + 1), size - 1);
  const size_t line = input.find('\n');
  auto target = flattone::http::ParseTarget(input.substr(0, line));
  if (!target.has_value()) return 0;
  auto match = routes->Find(kVerbs[data[0] % 4], target->path);
  if (!match.ok()) return 0;
  auto message = rest::BindRequest(*match, target->query, line == std::string::npos ? "" : input.substr(line + 1));
  if (message.ok()) (void)rest::ToJson(**message);
  return 0;
}
