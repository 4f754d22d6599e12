// The files behind a process's identity. They are read again while the process runs, so a renewed certificate
// needs no restart.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace flattone::rpc {

struct TlsFiles {
  std::string certificate;  // PEM, leaf first
  std::string key;          // PEM
  std::string ca;           // PEM: who signs the fleet's certificates
};

// Start-up check: the files exist and parse, the key belongs to the certificate, it is valid at `now` and its
// only URI SAN is `uri` (not checked when empty). The error names the key of the configuration that is wrong.
absl::Status CheckTlsFiles(const TlsFiles& files, std::string_view uri, absl::Time now);

// When the certificate in `path` ends.
absl::StatusOr<absl::Time> ExpiryOf(const std::string& path);

}  // namespace flattone::rpc
