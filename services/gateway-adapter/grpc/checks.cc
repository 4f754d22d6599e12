#include "services/gateway-adapter/grpc/checks.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "flattone/gateway/v1/gateway.pb.h"
#include "libs/base/error.h"

namespace flattone::gateway {
namespace {

absl::Status CheckMoney(const common::v1::Money& money) {
  if (money.amount_minor() < 1 || money.amount_minor() > kMaxAmountMinor) {
    return InvalidField("amount.amount_minor", absl::StrCat("is ", money.amount_minor()), absl::StrCat("an integer from 1 to ", kMaxAmountMinor));
  }
  const std::string& code = money.currency_code();
  const bool capitals = code.size() == 3 && std::all_of(code.begin(), code.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  if (!capitals) return InvalidField("amount.currency_code", "is no currency code", "three capitals of ISO 4217, such as EUR");
  return absl::OkStatus();
}

// The fields that every operation has.
template <typename Request>
absl::StatusOr<NewAttempt> Begin(const Request& request, Operation operation) {
  for (const auto& [field, value] : {std::pair<const char*, const std::string&>("tenant_id", request.tenant_id()),
                                     std::pair<const char*, const std::string&>("payment_id", request.payment_id()),
                                     std::pair<const char*, const std::string&>("operation_id", request.operation_id())}) {
    absl::Status status = CheckText(field, value);
    if (!status.ok()) return status;
  }
  NewAttempt wanted;
  wanted.operation = operation;
  wanted.tenant_id = request.tenant_id();
  wanted.payment_id = request.payment_id();
  wanted.operation_id = request.operation_id();
  return wanted;
}

template <typename Request>
absl::StatusOr<NewAttempt> BeginWithAmount(const Request& request, Operation operation) {
  auto wanted = Begin(request, operation);
  if (!wanted.ok() || !request.has_amount()) return wanted;
  absl::Status status = CheckMoney(request.amount());
  if (!status.ok()) return status;
  wanted->amount_minor = request.amount().amount_minor();
  wanted->currency = request.amount().currency_code();
  return wanted;
}

}  // namespace

absl::Status CheckText(const char* field, const std::string& value, size_t max) {
  const bool printable = std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (!value.empty() && value.size() <= max && printable) return absl::OkStatus();
  return InvalidField(field, value.empty() ? "is missing" : absl::StrCat("has ", value.size(), " bytes or characters that are not printable"),
                      absl::StrCat("1 to ", max, " printable ASCII characters"));
}

absl::StatusOr<Mode> CheckMode(int mode) {
  if (mode == 1 || mode == 2) return static_cast<Mode>(mode);
  return InvalidField("mode", absl::StrCat("is ", mode), "MODE_TEST or MODE_LIVE");
}

absl::StatusOr<int> CheckPageSize(uint32_t page_size) {
  if (page_size <= 1000) return page_size == 0 ? 100 : static_cast<int>(page_size);
  return InvalidField("page_size", absl::StrCat("is ", page_size), "an integer from 1 to 1000, or 0 for 100");
}

absl::StatusOr<NewAttempt> Check(const v1::AuthoriseRequest& request) {
  auto wanted = BeginWithAmount(request, Operation::kAuthorise);
  if (!wanted.ok()) return wanted;
  if (!request.has_amount()) return InvalidField("amount", "is missing", "an amount and a currency");
  auto mode = CheckMode(request.mode());
  if (!mode.ok()) return mode.status();
  absl::Status status = CheckText("token_id", request.token_id());
  if (!status.ok()) return status;
  if (request.order_reference().size() > 255) {
    return InvalidField("order_reference", absl::StrCat("has ", request.order_reference().size(), " bytes"), "at most 64 characters");
  }
  wanted->mode = *mode;
  wanted->capture_now = request.capture_now();
  wanted->order_reference = request.order_reference();
  wanted->token_id = request.token_id();
  wanted->vault_address = request.vault_address();
  return wanted;
}

absl::StatusOr<NewAttempt> Check(const v1::CapturePaymentRequest& request) { return BeginWithAmount(request, Operation::kCapture); }
absl::StatusOr<NewAttempt> Check(const v1::VoidPaymentRequest& request) { return Begin(request, Operation::kVoid); }
absl::StatusOr<NewAttempt> Check(const v1::RefundPaymentRequest& request) { return BeginWithAmount(request, Operation::kRefund); }

}  // namespace flattone::gateway
