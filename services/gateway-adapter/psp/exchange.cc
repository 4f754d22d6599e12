#include "services/gateway-adapter/psp/exchange.h"

#include <algorithm>
#include <boost/json.hpp>

#include "absl/strings/str_cat.h"

namespace flattone::gateway {
namespace {

namespace json = boost::json;

const json::value* At(const json::value* value, std::string_view path) {
  while (value != nullptr && !path.empty()) {
    const size_t dot = path.find('.');
    const std::string_view name = path.substr(0, dot);
    const json::object* object = value->if_object();
    value = object != nullptr ? object->if_contains(json::string_view(name.data(), name.size())) : nullptr;
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return value;
}

std::string WhyNot(const http::ClientResult& result) {
  if (result.reach == http::Reach::kNotSent) return "connect_failed";
  return absl::IsDeadlineExceeded(result.status) ? "time_out" : "connection_lost";
}

}  // namespace

Exchange::Exchange() = default;
Exchange::~Exchange() = default;
Exchange::Exchange(Exchange&&) noexcept = default;
Exchange& Exchange::operator=(Exchange&&) noexcept = default;

std::string Exchange::Text(std::string_view path) const {
  const json::value* value = At(json.get(), path);
  const json::string* text = value != nullptr ? value->if_string() : nullptr;
  if (text == nullptr) return {};
  // A PSP's text is bounded before it goes into the ledger, and plain: no database or message refuses it.
  std::string plain(text->data(), std::min<size_t>(text->size(), 255));
  std::replace_if(plain.begin(), plain.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return plain;
}

int64_t Exchange::Number(std::string_view path) const {
  const json::value* value = At(json.get(), path);
  const int64_t* number = value != nullptr ? value->if_int64() : nullptr;
  return number != nullptr ? *number : 0;
}

bool Exchange::Flag(std::string_view path) const {
  const json::value* value = At(json.get(), path);
  const bool* flag = value != nullptr ? value->if_bool() : nullptr;
  return flag != nullptr && *flag;
}

bool Exchange::Has(std::string_view path) const {
  const json::value* value = At(json.get(), path);
  return value != nullptr && !value->is_null();
}

std::string Bearer(const Credentials& credentials, const char* field) {
  const auto key = credentials.find(field);
  if (key == credentials.end()) return "Bearer";
  const std::string_view text = key->second.RevealText(secret::ClearCardAccess("the PSP's credential for its own request"));
  return absl::StrCat("Bearer ", absl::string_view(text.data(), text.size()));
}

Exchange Talk(http::HttpClient& client, const PspEndpoint& psp, ExchangeRequest request) {
  http::ClientRequest call;
  call.method = request.method;
  call.url = psp.base;
  call.url.target = psp.base.target == "/" ? request.target : psp.base.target + request.target;
  call.headers = std::move(request.headers);
  call.body = request.body;
  call.deadlines = {.connect = psp.times.connect, .first_byte = psp.times.answer, .total = psp.times.total};
  call.max_response_bytes = 256 * 1024;
  call.on_connected = std::move(request.on_connected);
  const http::ClientResult result = client.Send(call);

  Exchange exchange;
  exchange.code = result.code;
  if (result.reach != http::Reach::kAnswered) {
    exchange.sent = result.reach == http::Reach::kNotSent ? Sent::kNotSent : Sent::kUnknown;
    exchange.why = WhyNot(result);
    return exchange;
  }
  exchange.sent = Sent::kUnknown;
  exchange.why = absl::StrCat("http_", result.code);
  if (result.code >= 500 || result.code == 408 || result.code == 425) return exchange;
  json::error_code error;
  json::value value = json::parse(json::string_view(result.body.data(), result.body.size()), error, {},
                                  {.max_depth = 32});
  if (error || !value.is_object()) {
    exchange.why = "answer_unreadable";
    return exchange;
  }
  exchange.json = std::make_unique<json::value>(std::move(value));
  exchange.sent = Sent::kAnswered;
  exchange.why.clear();
  return exchange;
}

}  // namespace flattone::gateway
