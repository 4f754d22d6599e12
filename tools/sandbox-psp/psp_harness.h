// A sandbox PSP on two real ports, and a client that speaks both dialects and the admin calls to it.
#pragma once

#include <boost/json.hpp>

#include "libs/http/client.h"
#include "libs/testing/fakes.h"
#include "tools/sandbox-psp/psp.h"

namespace flattone::sandbox {

struct Answer {
  http::Reach reach = http::Reach::kNotSent;
  int code = 0;
  boost::json::value body;
  bool replayed = false;
};

class Harness {
 public:
  Harness() : psp(clock, random), client({}) {
    http::ServerOptions options;
    options.handler_threads = 8;
    server = http::HttpServer::Start(options, [this](http::Request request, http::ResponseWriter writer) {
               psp.Handle(std::move(request), std::move(writer));
             }).value();
    admin = http::HttpServer::Start({}, [this](http::Request request, http::ResponseWriter writer) {
              psp.HandleAdmin(std::move(request), std::move(writer));
            }).value();
  }
  ~Harness() {
    psp.Stop();
    server->Drain(absl::Seconds(1));
    admin->Drain(absl::Seconds(1));
  }

  Answer Send(const http::HttpServer& to, const std::string& method, const std::string& target, const std::string& body,
              const std::string& key, const std::string& credential) {
    http::ClientRequest request;
    request.method = method;
    request.url = {false, "127.0.0.1", to.port(), target};
    request.headers = {{"Authorization", "Bearer " + credential}};
    if (!key.empty()) request.headers.emplace_back("Idempotency-Key", key);
    request.body = {reinterpret_cast<const uint8_t*>(body.data()), body.size()};
    const http::ClientResult result = client.Send(request);
    Answer answer{result.reach, result.code, {}, http::FindHeader(result.headers, "idempotent-replayed").has_value()};
    boost::json::error_code error;
    answer.body = boost::json::parse(result.body, error);
    return answer;
  }
  Answer Sandbox(const std::string& method, const std::string& target, const std::string& body = "",
                 const std::string& key = "", const std::string& credential = "sbx_1") {
    return Send(*server, method, target, body, key, credential);
  }
  Answer Stripe(const std::string& method, const std::string& target, const std::string& body = "",
                const std::string& key = "") {
    return Send(*server, method, target, body, key, "sk_test_1");
  }
  Answer Admin(const std::string& method, const std::string& call, const std::string& body = "") {
    return Send(*admin, method, "/_sandbox/" + call, body, "", "");
  }
  size_t Charges() { return Admin("GET", "ledger").body.at("charges").as_array().size(); }

  testing::FakeClock clock;
  testing::SeededRandom random{7};
  Psp psp;
  http::HttpClient client;
  std::unique_ptr<http::HttpServer> server, admin;
};

}  // namespace flattone::sandbox
