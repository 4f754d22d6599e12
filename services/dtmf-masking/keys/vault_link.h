// The seam to the vault's key intake: two calls that end later, and a timer. Production speaks gRPC on the
// masker's one event loop (grpc/grpc_vault_link.h), tests answer by hand. All callbacks come on the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace flattone::masking {

struct CaptureRef {
  std::string tenant_id;
  std::string capture_id;
  uint32_t epoch = 0;
  std::string traceparent;
};

class VaultLink {
 public:
  virtual ~VaultLink() = default;

  struct CaptureKey {
    std::string public_key;
    uint64_t first_ordinal = 1;
  };
  using KeyDone = std::function<void(const absl::Status&, const CaptureKey&)>;
  virtual void GetCaptureKey(const CaptureRef& capture, absl::Duration timeout, KeyDone done) = 0;

  struct SealedKey {
    uint64_t ordinal = 0;
    uint32_t onset = 0;
    std::string sealed;
  };
  using SubmitDone = std::function<void(const absl::Status&)>;
  virtual void SubmitKey(const CaptureRef& capture, const SealedKey& key, absl::Duration timeout, SubmitDone done) = 0;

  virtual void After(absl::Duration delay, std::function<void()> run) = 0;
};

}  // namespace flattone::masking
