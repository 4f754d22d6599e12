// One HTTPS request to a PSP and how far it got, sorted the same way for every adapter:
//
//   nothing left this process                                      kNotSent
//   any answer below 500 with a body of JSON                       kAnswered, `json` is set
//   reset, time-out, 408, 425, 5xx, an answer that is no JSON      kUnknown
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/http/client.h"
#include "services/gateway-adapter/psp/psp.h"

namespace boost::json {
class value;
}

namespace flattone::gateway {

struct Exchange {
  Exchange();
  ~Exchange();
  Exchange(Exchange&&) noexcept;
  Exchange& operator=(Exchange&&) noexcept;

  Sent sent = Sent::kNotSent;
  int code = 0;
  std::unique_ptr<boost::json::value> json;  // with kAnswered
  std::string why;                           // for raw_code when there is no answer: "connect", "time_out", "http_500" …

  // Text, number or flag at "a.b.c"; empty, 0, false where it is not there.
  std::string Text(std::string_view path) const;
  int64_t Number(std::string_view path) const;
  bool Flag(std::string_view path) const;
  bool Has(std::string_view path) const;
};

struct ExchangeRequest {
  const char* method = "GET";
  std::string target;  // "/v1/refunds"
  http::Headers headers;
  std::span<const uint8_t> body;
  std::function<void()> on_connected;
};

// "Bearer …" with that field of the credentials.
std::string Bearer(const Credentials& credentials, const char* field);

Exchange Talk(http::HttpClient& client, const PspEndpoint& psp, ExchangeRequest request);

}  // namespace flattone::gateway
