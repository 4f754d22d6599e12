// A certificate authority in a directory of its own, for tests that speak mTLS. Removed when destroyed.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "libs/rpc/tls_files.h"

namespace flattone::rpc {

class TestPki {
 public:
  TestPki();
  ~TestPki();
  TestPki(const TestPki&) = delete;
  TestPki& operator=(const TestPki&) = delete;

  // Files of a certificate with this URI SAN (none when empty), DNS localhost and IP 127.0.0.1.
  TlsFiles IssueUri(std::string_view uri);
  // The same for an identity of the default trust domain: "media-relay", "edge/one".
  TlsFiles Issue(std::string_view identity);
  const std::string& directory() const { return directory_; }

 private:
  struct Authority;
  std::string directory_;
  std::unique_ptr<Authority> authority_;
  int issued_ = 0;
};

}  // namespace flattone::rpc
