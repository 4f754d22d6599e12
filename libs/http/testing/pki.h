// A throw-away certificate authority for tests: made in a temporary folder, gone with the object.
#pragma once

#include <string>
#include <vector>

namespace flattone::http::testing {

class TestPki {
 public:
  TestPki();  // dies when OpenSSL or the folder fails
  ~TestPki();
  TestPki(const TestPki&) = delete;
  TestPki& operator=(const TestPki&) = delete;

  struct Files {
    std::string certificate;
    std::string key;
  };
  // A P-256 certificate for those names: "DNS:localhost", "IP:127.0.0.1", "URI:spiffe://…".
  Files Issue(const std::string& name, const std::vector<std::string>& subject_alt_names);
  const std::string& ca_file() const { return ca_file_; }
  const std::string& folder() const { return folder_; }

 private:
  struct Authority;
  std::string folder_, ca_file_;
  Authority* authority_;
};

}  // namespace flattone::http::testing
