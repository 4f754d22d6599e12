// What a request must be before the domain sees it: every field with its limits, first offence first.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/gateway-adapter/attempt/ledger.h"

namespace flattone::common::v1 {
class Money;
}
namespace flattone::gateway::v1 {
class AuthoriseRequest;
class CapturePaymentRequest;
class VoidPaymentRequest;
class RefundPaymentRequest;
}  // namespace flattone::gateway::v1

namespace flattone::gateway {

inline constexpr int64_t kMaxAmountMinor = 99'999'999'999;

// INVALID_ARGUMENT naming the field and its limit.
absl::StatusOr<NewAttempt> Check(const v1::AuthoriseRequest& request);
absl::StatusOr<NewAttempt> Check(const v1::CapturePaymentRequest& request);
absl::StatusOr<NewAttempt> Check(const v1::VoidPaymentRequest& request);
absl::StatusOr<NewAttempt> Check(const v1::RefundPaymentRequest& request);

// 1 to `max` printable ASCII characters.
absl::Status CheckText(const char* field, const std::string& value, size_t max = 64);
// 1 and 2 are modes.
absl::StatusOr<Mode> CheckMode(int mode);
// 0: the default, 100. INVALID_ARGUMENT above 1000.
absl::StatusOr<int> CheckPageSize(uint32_t page_size);

}  // namespace flattone::gateway
