// What the vault counts. Labels come from fixed sets; no digit, no tenant.
#pragma once

#include "libs/obs/metrics.h"

namespace flattone::vault {

struct Meters {
  explicit Meters(obs::Registry& r)
      : captures(r, "flattone_vault_captures_opened_total", "Captures opened"),
        captures_refused(r, "flattone_vault_captures_refused_total", "Captures refused because the vault was full"),
        keys_taken(r, "flattone_vault_keys_total", "Key presses by what became of them", {{"outcome", "taken"}}),
        keys_not_taken(r, "flattone_vault_keys_total", "", {{"outcome", "not_taken"}}),
        keys_repeated(r, "flattone_vault_keys_total", "", {{"outcome", "repeated"}}),
        keys_lost(r, "flattone_vault_keys_total", "", {{"outcome", "after_gap"}}),
        keys_stale(r, "flattone_vault_keys_total", "", {{"outcome", "stale_epoch"}}),
        keys_not_authentic(r, "flattone_vault_keys_total", "", {{"outcome", "not_authentic"}}),
        tokens(r, "flattone_vault_tokens_created_total", "Cards tokenised"),
        tokenise_seconds(r, "flattone_vault_tokenise_seconds", "Time to seal and store a card", obs::DurationBounds()),
        opens(r, "flattone_vault_card_opens_total", "Cards released to the gateway-adapter"),
        opens_refused(r, "flattone_vault_card_opens_refused_total", "Cards not released, by the refusal's code", "code"),
        codes_wiped_by_call(r, "flattone_vault_codes_wiped_total", "Security codes wiped, by what wiped them", {{"by", "answer"}}),
        codes_wiped_by_cancel(r, "flattone_vault_codes_wiped_total", "", {{"by", "cancel"}}),
        codes_wiped_by_clock(r, "flattone_vault_codes_wiped_total", "", {{"by", "clock"}}),
        codes_wiped_by_shutdown(r, "flattone_vault_codes_wiped_total", "", {{"by", "shutdown"}}),
        audit_sequence(r, "flattone_vault_audit_sequence", "Newest record of the audit chain: an anchor for whoever scrapes it"),
        tokens_expired(r, "flattone_vault_tokens_expired_total", "Tokens destroyed by the sweeper"),
        audit_failures(r, "flattone_vault_audit_failures_total", "Audit records that could not be written") {}

  obs::Counter captures, captures_refused;
  obs::Counter keys_taken, keys_not_taken, keys_repeated, keys_lost, keys_stale, keys_not_authentic;
  obs::Counter tokens;
  obs::Histogram tokenise_seconds;
  obs::Counter opens;
  obs::CounterFamily opens_refused;
  obs::Counter codes_wiped_by_call, codes_wiped_by_cancel, codes_wiped_by_clock, codes_wiped_by_shutdown;
  obs::Gauge audit_sequence;
  obs::Counter tokens_expired, audit_failures;
};

}  // namespace flattone::vault
