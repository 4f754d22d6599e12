// The request path: bytes → HTTP parser → target, query, form, path templates, cookies. The first byte chooses how
// the rest is cut into reads.
#include <algorithm>
#include <cstdint>

#include "libs/http/message_reader.h"
#include "libs/http/path_template.h"
#include "libs/http/url.h"

namespace {

using flattone::http::PathTemplate;

const PathTemplate kTemplates[] = {
    PathTemplate::Parse("/v1/sessions").value(),
    PathTemplate::Parse("/v1/sessions/{session_id}").value(),
    PathTemplate::Parse("/v1/sessions/{session_id}:startCapture").value(),
    PathTemplate::Parse("/v1/sessions/{session_id}/events:stream").value(),
    PathTemplate::Parse("/v1/{name=payments/*}/{rest=**}").value(),
};

void Route(const flattone::http::Request& request) {
  auto target = flattone::http::ParseTarget(request.target);
  if (!target.has_value()) return;
  for (const PathTemplate& path : kTemplates) {
    auto variables = path.Match(target->path);
    if (!variables.has_value()) continue;
    for (const auto& variable : *variables) {
      if (variable.second.find('\0') != std::string::npos || variable.second.empty()) __builtin_trap();
    }
  }
  auto query = flattone::http::ParseForm(target->query);
  if (query.ok() && query->size() > 256) __builtin_trap();
  (void)flattone::http::ParseForm(request.body);
  (void)flattone::http::FindCookie(request.headers, "flattone_agent");
  (void)flattone::http::ParseUrl(request.body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const size_t step = data[0] == 0 ? size : data[0];
  const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  flattone::http::RequestReader reader(2048, 4096);
  std::string buffered;
  for (size_t at = 0; at < input.size(); at += step) {
    buffered += input.substr(at, step);
    buffered.erase(0, reader.Feed(buffered));
    (void)reader.TakeExpectsContinue();
    if (reader.state() == flattone::http::ReadState::kComplete) {
      const flattone::http::Request request = reader.Take();
      if (request.body.size() > 4096) __builtin_trap();
      Route(request);
      break;
    }
    if (buffered.size() > 16 * 1024) __builtin_trap();
  }
  flattone::http::ResponseReader answer(false, 4096);
  answer.Feed(input);
  answer.FeedEnd();
  return 0;
}
