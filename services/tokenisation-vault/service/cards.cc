#include "services/tokenisation-vault/service/cards.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/tokenisation-vault/seal/card_record.h"

namespace flattone::vault {

absl::Status Cards::CodeElsewhere(const TokenRow& row) {
  if (row.code_until_ms <= absl::ToUnixMillis(p_.clock.Now()) || row.code_replica == p_.places.self().id) return absl::OkStatus();
  auto alive = p_.places.Alive({row.code_replica, row.code_address});
  if (!alive.ok()) return alive.status();
  if (!*alive) return absl::OkStatus();
  return Refusal(absl::StatusCode::kFailedPrecondition,
                 {.code = "capture_elsewhere", .field = "token_id", .limit = {}, .fix = row.code_address},
                 absl::StrCat("the security code of token ", row.token, " is held by the vault at ", row.code_address));
}

absl::Status Cards::Admit(const TokenRow& row, bool code_required) const {
  if (row.destroyed_ms != 0 || row.expires_ms <= absl::ToUnixMillis(p_.clock.Now())) {
    return Refusal(absl::StatusCode::kNotFound, {.code = "token_destroyed", .field = "token_id"},
                   absl::StrCat("the card of token ", row.token, " was destroyed"));
  }
  const int64_t bound = row.purpose == TokenPurpose::kPayment ? options_.max_opens_payment : options_.max_opens_tokenise;
  if (row.opens >= bound) {
    return Refusal(absl::StatusCode::kResourceExhausted, {.code = "opens_used", .field = "token_id", .limit = absl::StrCat(bound)},
                   absl::StrCat("token ", row.token, " was opened ", row.opens, " times, its bound"));
  }
  if (code_required && !p_.codes.Has(row.token)) {
    return Refusal(absl::StatusCode::kFailedPrecondition,
                   {.code = "security_code_gone", .field = "token_id", .limit = {}, .fix = "ask for the security code again"},
                   absl::StrCat("the security code of token ", row.token, " has been wiped"));
  }
  return absl::OkStatus();
}

absl::StatusOr<ReleasedCard> Cards::Open(const crypto::CardContext& context, const crypto::PublicKey& recipient,
                                         bool code_required, const Caller& caller) {
  const std::string tenant(context.tenant), token(context.token);
  if (code_required && !p_.codes.Has(token)) {
    auto row = p_.tokens.Find(tenant, token);
    if (row.ok()) {
      if (auto elsewhere = CodeElsewhere(*row); !elsewhere.ok()) return elsewhere;
    }
  }
  auto row = p_.tokens.Open(tenant, token, {caller.actor, "card.open", tenant, token, "ok", absl::StrCat(caller.origin, " ", std::string(context.attempt))},
                            [&](const TokenRow& r) { return Admit(r, code_required); });
  if (!row.ok()) {
    const auto detail = DetailOf(row.status());
    p_.meters.opens_refused.Add(detail.has_value() ? detail->code : "unavailable");
    if (detail.has_value() && detail->code == "opens_used") p_.log.Error("bound on openings of a token reached", {{"token", token}});
    return row.status();
  }
  auto key = p_.keyring.DataKey(tenant, row->key_version);
  if (!key.ok()) return key.status();
  auto card = OpenCardRecord(**key, token, row->sealed_card);
  if (!card.ok()) return card.status();
  const bool with_code = p_.codes.AddTo(token, *card, p_.clock.MonotonicNanos());
  if (code_required && !with_code) {  // wiped since it was admitted
    return Refusal(absl::StatusCode::kFailedPrecondition, {.code = "security_code_gone", .field = "token_id"},
                   absl::StrCat("the security code of token ", token, " has been wiped"));
  }
  auto sealed = crypto::SealCard(p_.random, recipient, context, *card);
  if (!sealed.ok()) return sealed.status();
  p_.meters.opens.Add();
  row->sealed_card.clear();
  return ReleasedCard{std::move(*sealed), std::move(*row)};
}

absl::StatusOr<bool> Cards::Wipe(const std::string& tenant, const std::string& token, bool destroy, const Caller& caller) {
  auto row = p_.tokens.Find(tenant, token);
  if (!row.ok()) return row.status();
  if (auto elsewhere = CodeElsewhere(*row); !elsewhere.ok()) return elsewhere;
  const bool held = p_.codes.Wipe(token);
  if (held) p_.meters.codes_wiped_by_call.Add();
  const bool destroy_now = destroy && row->purpose == TokenPurpose::kPayment && row->destroyed_ms == 0;
  if (!held && !destroy_now && row->code_until_ms == 0) return false;  // a repeat
  const auto written = p_.tokens.CodeWiped(tenant, token, destroy_now,
                                           {caller.actor, destroy_now ? "token.destroy" : "code.wipe", tenant, token, "ok", caller.origin});
  if (!written.ok()) return written;
  return held;
}

absl::Status Cards::Destroy(const std::string& tenant, const std::string& token, const Caller& caller) {
  if (auto row = p_.tokens.Find(tenant, token); !row.ok()) return row.status();
  p_.codes.Wipe(token);
  return p_.tokens.CodeWiped(tenant, token, true, {caller.actor, "token.destroy", tenant, token, "ok", caller.origin});
}

}  // namespace flattone::vault
