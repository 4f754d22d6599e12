// The edge's side of a media relay: puts it into calls and takes it out again (flattone.media.v1.MediaService).
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/rpc/tls_files.h"

namespace grpc {
class Channel;
}

namespace flattone::call {

struct RelayAccess {
  std::string address;  // host:port of the relay's gRPC listener
  rpc::TlsFiles tls;    // the edge's certificate
  std::string trust_domain;
  std::string tenant;
};

class MediaClient {
 public:
  explicit MediaClient(const RelayAccess& access);
  ~MediaClient();

  // The SDP for the other side. Any thread; so the others.
  absl::StatusOr<std::string> Offer(const std::string& call_reference, const std::string& sdp);
  absl::StatusOr<std::string> Answer(const std::string& call_reference, const std::string& sdp);
  // Ends the call; its statistics as the relay counts them, as JSON.
  absl::StatusOr<std::string> Delete(const std::string& call_reference);
  // Turns the masking on without a capture.
  absl::Status Protect(const std::string& call_reference);

 private:
  struct Stub;
  std::string tenant_;
  std::unique_ptr<Stub> stub_;
};

}  // namespace flattone::call
