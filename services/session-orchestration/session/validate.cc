#include "services/session-orchestration/session/validate.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/session-orchestration/payment/money.h"
#include "services/session-orchestration/session/context.h"
#include "services/session-orchestration/session/free_text.h"
#include "services/session-orchestration/tenant/records.h"

namespace flattone::session {
namespace {

absl::Status InRange(const std::string& field, uint32_t value, uint32_t low, uint32_t high) {
  if (value == 0 || (value >= low && value <= high)) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("is ", value), absl::StrCat("0 (the default) or ", low, " to ", high));
}

absl::Status CheckOrderReference(const std::string& field, const std::string& text) {
  constexpr char kLimit[] = "1 to 64 characters of [A-Za-z0-9._/-]";
  if (text.empty() || text.size() > 64) return InvalidField(field, absl::StrCat("has ", text.size(), " characters"), kLimit);
  for (char c : text) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '/' || c == '-';
    if (!good) return InvalidField(field, "has a character that cannot be used", kLimit);
  }
  return CheckText(field, text, 64);
}

absl::Status CheckCurrency(const std::string& field, const std::string& currency, const v1::Tenant& tenant) {
  if (tenant.currency_codes().empty()) return absl::OkStatus();
  std::string list;
  for (const std::string& code : tenant.currency_codes()) {
    if (code == currency) return absl::OkStatus();
    absl::StrAppend(&list, list.empty() ? "" : ", ", code);
  }
  return Refusal(absl::StatusCode::kInvalidArgument,
                 {.code = "currency_not_allowed", .field = field + ".currency_code", .limit = list, .fix = "ask the operator to allow it"},
                 absl::StrCat(field, ".currency_code is ", currency, "; this tenant may charge ", list));
}

bool Names(const google::protobuf::RepeatedField<int>& fields, common::v1::CardField field) {
  return std::find(fields.begin(), fields.end(), static_cast<int>(field)) != fields.end();
}

absl::Status CheckFields(const std::string& field, const google::protobuf::RepeatedField<int>& fields) {
  std::set<int> seen;
  for (const int value : fields) {
    if (value < common::v1::CARD_FIELD_PAN || value > common::v1::CARD_FIELD_POSTCODE) {
      return InvalidField(field, absl::StrCat("has ", value), "known card fields");
    }
    if (!seen.insert(value).second) return InvalidField(field, "names a field twice", "each field at most once");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckIntent(const std::string& field, const v1::PaymentIntent& intent, const v1::Tenant& tenant) {
  FT_TRY(CheckOrderReference(field + ".order_reference", intent.order_reference()));
  const int purpose = intent.purpose();
  if (purpose < v1::PURPOSE_CHARGE || purpose > v1::PURPOSE_TOKENISE) {
    return InvalidField(field + ".purpose", absl::StrCat("is ", purpose), "PURPOSE_CHARGE, PURPOSE_AUTHORISE or PURPOSE_TOKENISE");
  }
  FT_TRY(CheckMetadata(field + ".metadata", {intent.metadata().begin(), intent.metadata().end()}));
  if (purpose == v1::PURPOSE_TOKENISE) {
    return intent.has_amount() ? InvalidField(field + ".amount", "is set", "absent with PURPOSE_TOKENISE: no money is taken") : absl::OkStatus();
  }
  if (!intent.has_amount()) return InvalidField(field + ".amount", "is missing", "an amount in minor units with its currency");
  const int64_t limit = tenant.max_amount_minor() > 0 ? tenant.max_amount_minor() : kDefaultMaxAmountMinor;
  FT_TRY(CheckMoney(field + ".amount", {intent.amount().amount_minor(), intent.amount().currency_code()}, limit));
  return CheckCurrency(field + ".amount", intent.amount().currency_code(), tenant);
}

absl::Status CheckTypedAgain(const std::string& field, const google::protobuf::RepeatedField<int>& fields) {
  FT_TRY(CheckFields(field, fields));
  if (!Names(fields, common::v1::CARD_FIELD_PAN)) return absl::OkStatus();
  return InvalidField(field, "has CARD_FIELD_PAN", "what is typed again while the number is kept; empty for a whole card");
}

absl::Status CheckCaptureSettings(const std::string& field, const v1::CaptureSettings& settings) {
  FT_TRY(CheckFields(field + ".fields", settings.fields()));
  if (!settings.fields().empty() && !Names(settings.fields(), common::v1::CARD_FIELD_PAN)) {
    return InvalidField(field + ".fields", "lacks CARD_FIELD_PAN", "a list with CARD_FIELD_PAN, or empty");
  }
  if (settings.accepted_brands_size() > 16) return InvalidField(field + ".accepted_brands", "has too many entries", "at most 16 brands");
  for (const int value : settings.accepted_brands()) {
    if (value < common::v1::CARD_BRAND_VISA || value > common::v1::CARD_BRAND_OTHER) {
      return InvalidField(field + ".accepted_brands", absl::StrCat("has ", value), "known card brands");
    }
  }
  FT_TRY(InRange(field + ".field_timeout_seconds", settings.field_timeout_seconds(), 5, 600));
  FT_TRY(InRange(field + ".capture_timeout_seconds", settings.capture_timeout_seconds(), 30, 600));
  FT_TRY(InRange(field + ".card_tries", settings.card_tries(), 1, 10));
  FT_TRY(InRange(field + ".length_pause_ms", settings.length_pause_ms(), 2000, 30000));
  return InRange(field + ".postcode_length", settings.postcode_length(), 1, 10);
}

absl::Status CheckNewSession(const v1::Session& session, const v1::Tenant& tenant) {
  FT_TRY(CheckRequiredText("session.call_reference", session.call_reference(), 255));
  FT_TRY(CheckRequiredText("session.agent", session.agent(), 128));
  FT_TRY(CheckCaptureSettings("session.capture", session.capture()));
  if (!session.has_intent()) return InvalidField("session.intent", "is missing", "what the payment is for");
  return CheckIntent("session.intent", session.intent(), tenant);
}

}  // namespace flattone::session
