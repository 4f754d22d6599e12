#include "services/tokenisation-vault/grpc/convert.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::vault {
namespace {

namespace pb = flattone::common::v1;

absl::StatusOr<card::Brand> BrandFrom(int brand, const std::string& path) {
  switch (brand) {
    case pb::CARD_BRAND_VISA: return card::Brand::kVisa;
    case pb::CARD_BRAND_MASTERCARD: return card::Brand::kMastercard;
    case pb::CARD_BRAND_AMEX: return card::Brand::kAmex;
    case pb::CARD_BRAND_DISCOVER: return card::Brand::kDiscover;
    case pb::CARD_BRAND_DINERS: return card::Brand::kDiners;
    case pb::CARD_BRAND_JCB: return card::Brand::kJcb;
    case pb::CARD_BRAND_MAESTRO: return card::Brand::kMaestro;
    case pb::CARD_BRAND_UNIONPAY: return card::Brand::kUnionPay;
    case pb::CARD_BRAND_OTHER: return card::Brand::kUnknown;
    default: return InvalidField(path, absl::StrCat("is ", brand), "a value of CardBrand");
  }
}

pb::FieldState ToProto(FieldState state) { return static_cast<pb::FieldState>(static_cast<int>(state) + 1); }
static_assert(pb::FIELD_STATE_WAITING == 1 && pb::FIELD_STATE_INVALID == static_cast<int>(FieldState::kInvalid) + 1);

v1::CaptureState ToProto(CaptureState state) { return static_cast<v1::CaptureState>(static_cast<int>(state) + 1); }
static_assert(v1::CAPTURE_STATE_COLLECTING == 1 && v1::CAPTURE_STATE_FAILED == static_cast<int>(CaptureState::kFailed) + 1);

pb::FieldProblem ToProto(Problem problem) { return static_cast<pb::FieldProblem>(static_cast<int>(problem)); }
static_assert(pb::FIELD_PROBLEM_TOO_SHORT == static_cast<int>(Problem::kTooShort) &&
              pb::FIELD_PROBLEM_TIMED_OUT == static_cast<int>(Problem::kTimedOut) &&
              pb::FIELD_PROBLEM_RESTARTED == static_cast<int>(Problem::kRestarted));

constexpr absl::Duration kDefaultFieldTimeout = absl::Seconds(60);

}  // namespace

pb::CardField ToProto(Field field) { return static_cast<pb::CardField>(static_cast<int>(field) + 1); }
static_assert(pb::CARD_FIELD_PAN == 1 && pb::CARD_FIELD_POSTCODE == static_cast<int>(Field::kPostcode) + 1);

pb::CardBrand ToProto(card::Brand brand, bool complete) {
  switch (brand) {
    case card::Brand::kVisa: return pb::CARD_BRAND_VISA;
    case card::Brand::kMastercard: return pb::CARD_BRAND_MASTERCARD;
    case card::Brand::kAmex: return pb::CARD_BRAND_AMEX;
    case card::Brand::kDiscover: return pb::CARD_BRAND_DISCOVER;
    case card::Brand::kDiners: return pb::CARD_BRAND_DINERS;
    case card::Brand::kJcb: return pb::CARD_BRAND_JCB;
    case card::Brand::kMaestro: return pb::CARD_BRAND_MAESTRO;
    case card::Brand::kUnionPay: return pb::CARD_BRAND_UNIONPAY;
    case card::Brand::kUnknown: break;
  }
  return complete ? pb::CARD_BRAND_OTHER : pb::CARD_BRAND_UNSPECIFIED;
}

absl::StatusOr<Field> FieldFrom(pb::CardField field, std::string_view path) {
  if (field < pb::CARD_FIELD_PAN || field > pb::CARD_FIELD_POSTCODE) {
    return InvalidField(path, absl::StrCat("is ", static_cast<int>(field)), "a value of CardField");
  }
  return static_cast<Field>(static_cast<int>(field) - 1);
}

absl::StatusOr<Rules> RulesFrom(const v1::CaptureRules& in, bool kept) {
  Rules rules;
  if (kept) rules.kept_brand = card::Brand::kUnknown;
  for (int i = 0; i < in.fields_size(); ++i) {
    auto field = FieldFrom(in.fields(i).field(), absl::StrCat("rules.fields[", i, "].field"));
    if (!field.ok()) return field.status();
    FieldRule rule{*field, kDefaultFieldTimeout, static_cast<int>(std::min(in.fields(i).length(), 1000u))};
    if (in.fields(i).timeout_seconds() != 0) rule.timeout = absl::Seconds(in.fields(i).timeout_seconds());
    rules.fields.push_back(rule);
  }
  for (int i = 0; i < in.accepted_brands_size(); ++i) {
    auto brand = BrandFrom(in.accepted_brands(i), absl::StrCat("rules.accepted_brands[", i, "]"));
    if (!brand.ok()) return brand.status();
    rules.accepted_brands.push_back(*brand);
  }
  if (in.card_tries() != 0) rules.card_tries = static_cast<int>(std::min(in.card_tries(), 1000u));
  if (in.length_pause_ms() != 0) rules.length_pause = absl::Milliseconds(in.length_pause_ms());
  if (in.timeout_seconds() != 0) rules.timeout = absl::Seconds(in.timeout_seconds());
  rules.one_by_one = in.one_by_one();
  if (auto status = ValidateRules(rules); !status.ok()) return status;
  return rules;
}

absl::StatusOr<TokenPurpose> PurposeFrom(v1::TokenPurpose purpose) {
  if (purpose == v1::TOKEN_PURPOSE_PAYMENT) return TokenPurpose::kPayment;
  if (purpose == v1::TOKEN_PURPOSE_TOKENISE) return TokenPurpose::kTokenise;
  return InvalidField("purpose", absl::StrCat("is ", static_cast<int>(purpose)), "TOKEN_PURPOSE_PAYMENT or TOKEN_PURPOSE_TOKENISE");
}

v1::CaptureStatus ToProto(const std::string& capture, const Progress& progress) {
  v1::CaptureStatus out;
  out.set_capture_id(capture);
  out.set_state(ToProto(progress.state));
  out.set_revision(progress.revision);
  out.set_extra_keys(progress.extra_keys);
  out.set_card_tries_used(progress.card_tries_used);
  if (progress.current.has_value()) out.set_current_field(ToProto(*progress.current));
  for (const FieldProgress& field : progress.fields) {
    auto& to = *out.add_fields();
    to.set_field(ToProto(field.field));
    to.set_state(ToProto(field.state));
    to.set_count(static_cast<uint32_t>(field.count));
    to.set_expected(static_cast<uint32_t>(field.expected));
    to.set_masked(field.masked);
    if (field.brand.has_value()) to.set_brand(ToProto(*field.brand, field.state == FieldState::kComplete));
    to.set_problem(ToProto(field.problem));
  }
  return out;
}

v1::Token ToProto(const TokenRow& row, bool code_held) {
  v1::Token token;
  token.set_token_id(row.token);
  token.set_tenant_id(row.tenant);
  token.set_purpose(static_cast<v1::TokenPurpose>(static_cast<int>(row.purpose)));
  token.set_brand(ToProto(row.brand, true));
  token.set_bin(row.bin);
  token.set_last_four(row.last_four);
  token.set_fingerprint(row.fingerprint);
  token.set_created_ms(row.created_ms);
  token.set_expires_ms(row.expires_ms);
  token.set_destroyed(row.destroyed_ms != 0);
  token.set_security_code_held(code_held);
  token.set_vault_address(row.code_address);
  return token;
}

v1::AuditRecord ToProto(const AuditRecord& record) {
  v1::AuditRecord out;
  out.set_sequence(record.sequence);
  out.set_time_ms(record.time_ms);
  out.set_actor(record.entry.actor);
  out.set_action(record.entry.action);
  out.set_tenant_id(record.entry.tenant);
  out.set_object(record.entry.object);
  out.set_result(record.entry.result);
  out.set_origin(record.entry.origin);
  out.set_hash(record.hash);
  out.set_signature(record.signature);
  return out;
}

absl::Status CheckId(std::string_view path, std::string_view id, std::string_view prefix) {
  bool good = id.size() >= prefix.size() + 2 && id.size() <= 64 && id.substr(0, prefix.size()) == prefix && id[prefix.size()] == '_';
  for (char c : id) good &= (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '_';
  if (good) return absl::OkStatus();
  return InvalidField(path, "is not such an id", absl::StrCat("\"", std::string(prefix), "_\" and up to 60 characters of [0-9a-z_]"));
}

}  // namespace flattone::vault
