// Between the contract's messages and the domain's types.
#pragma once

#include "absl/status/statusor.h"
#include "flattone/vault/v1/vault.pb.h"
#include "services/tokenisation-vault/audit/record.h"
#include "services/tokenisation-vault/capture/progress.h"
#include "services/tokenisation-vault/store/token.h"

namespace flattone::vault {

flattone::common::v1::CardField ToProto(Field field);
// INVALID_ARGUMENT naming `path` for an unspecified or unknown value.
absl::StatusOr<Field> FieldFrom(flattone::common::v1::CardField field, std::string_view path);
// `kept`: the number of a card is kept, so rules name what is typed again.
absl::StatusOr<Rules> RulesFrom(const v1::CaptureRules& rules, bool kept);
absl::StatusOr<TokenPurpose> PurposeFrom(v1::TokenPurpose purpose);
v1::CaptureStatus ToProto(const std::string& capture, const Progress& progress);
v1::Token ToProto(const TokenRow& row, bool code_held);
v1::AuditRecord ToProto(const AuditRecord& record);
flattone::common::v1::CardBrand ToProto(card::Brand brand, bool complete);

// INVALID_ARGUMENT naming `path` unless `id` is `prefix`_ and 1 to 60 characters of [0-9a-z_].
absl::Status CheckId(std::string_view path, std::string_view id, std::string_view prefix);

}  // namespace flattone::vault
