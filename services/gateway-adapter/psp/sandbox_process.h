// The sandbox PSP as a process of its own, over TLS, for tests of the adapters.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "libs/http/client.h"
#include "libs/http/testing/pki.h"

namespace flattone::gateway::fakes {

class SandboxProcess {
 public:
  SandboxProcess();  // dies when the program cannot be started
  ~SandboxProcess();

  http::Url url() const;
  const std::string& ca_file() const { return pki_.ca_file(); }

  // POST /_sandbox/<call>; the answer.
  boost::json::value Admin(const std::string& call, const std::string& body = "{}");
  boost::json::value Get(const std::string& call);
  void Arm(const std::string& fault, const std::string& operation, int ms = 0);
  // Charges of that payment that were not taken back, and all of them.
  int LiveCharges(const std::string& payment_id);
  int Charges(const std::string& payment_id);
  // Until `count` requests are being held.
  void AwaitHeld(size_t count);

 private:
  boost::json::value Talk(const char* method, const std::string& call, const std::string& body);

  http::testing::TestPki pki_;
  pid_t pid_ = 0;
  uint16_t port_ = 0, admin_port_ = 0;
  std::unique_ptr<http::HttpClient> client_;
};

}  // namespace flattone::gateway::fakes
