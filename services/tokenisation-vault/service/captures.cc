#include "services/tokenisation-vault/service/captures.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/crypto/fingerprint.h"
#include "services/tokenisation-vault/seal/card_record.h"

namespace flattone::vault {
namespace {

// A flood of forged keys fills no disk.
constexpr int kAuditedBadKeys = 10;
constexpr size_t kMaxForgotten = 100'000;
constexpr absl::Duration kPlaceSlack = absl::Minutes(11);

absl::Status NotFound(const std::string& capture) {
  return Refusal(absl::StatusCode::kNotFound, {.code = "capture_not_found", .field = "capture_id"},
                 absl::StrCat("there is no capture ", capture));
}

bool HasCode(const absl::Status& status, std::string_view code) {
  const auto detail = DetailOf(status);
  return detail.has_value() && detail->code == code;
}

}  // namespace

absl::StatusOr<CaptureRegistry::Entry> Captures::Open(const CaptureIdentity& identity, Rules rules) {
  if (!identity.kept_token.empty()) {
    const auto kept = p_.tokens.KeepUntil(identity.tenant, identity.kept_token, p_.clock.Now() + rules.timeout + kPlaceSlack);
    if (!kept.ok()) return kept.status();
    rules.kept_brand = kept->brand;
  }
  auto opened = p_.registry.Open(identity, rules);
  if (!opened.ok()) {
    if (HasCode(opened.status(), "vault_full")) p_.meters.captures_refused.Add();
    return opened.status();
  }
  auto& [entry, fresh] = *opened;
  if (!fresh) return entry;
  const auto placed = p_.places.Put(identity.capture, identity.tenant, p_.clock.Now() + rules.timeout + kPlaceSlack);
  if (!placed.ok()) {
    p_.registry.Remove(identity.capture);
    // Another replica was asked first: Find tells where it is, or that it was lost there.
    if (absl::IsAlreadyExists(placed)) return Find(identity.tenant, identity.capture).status();
    return placed;
  }
  p_.meters.captures.Add();
  return entry;
}

absl::StatusOr<CaptureRegistry::Entry> Captures::Find(const std::string& tenant, const std::string& capture) {
  if (auto entry = p_.registry.Find(tenant, capture)) return entry;
  auto place = p_.places.Find(capture);
  if (!place.ok()) return place.status();
  if (!place->has_value() || (*place)->tenant != tenant) return NotFound(capture);
  if ((*place)->alive && (*place)->replica.id != self().id) {
    return Refusal(absl::StatusCode::kFailedPrecondition,
                   {.code = "capture_elsewhere", .field = "capture_id", .limit = {}, .fix = (*place)->replica.address},
                   absl::StrCat("capture ", capture, " lives in the vault at ", (*place)->replica.address));
  }
  return Refusal(absl::StatusCode::kNotFound,
                 {.code = "capture_lost", .field = "capture_id", .limit = {}, .fix = "open a new capture"},
                 absl::StrCat("capture ", capture, " was lost with the vault process that held it"));
}

absl::StatusOr<Progress> Captures::Cancel(const std::string& tenant, const std::string& capture, const Caller& caller) {
  auto entry = Find(tenant, capture);
  if (!entry.ok()) return entry.status();
  {
    // A tokenisation on its way is waited for: what it stores is then cleaned up here.
    std::lock_guard<std::mutex> lock((*entry)->tokenising());
    static_cast<void>((*entry)->With([](Capture& live) {
      live.Cancel();
      return absl::OkStatus();
    }));
  }
  if (const auto token = (*entry)->token(); token != nullptr && p_.codes.Wipe(token->token)) {
    p_.meters.codes_wiped_by_cancel.Add();
    const auto status = p_.tokens.CodeWiped(tenant, token->token, false,
                                            {caller.actor, "code.wipe", tenant, token->token, "ok", caller.origin});
    if (!status.ok()) p_.meters.audit_failures.Add();  // the code is gone all the same
  }
  return (*entry)->progress();
}

absl::StatusOr<uint64_t> Captures::BeginEpoch(const std::string& tenant, const std::string& capture, uint32_t epoch,
                                              crypto::PublicKey* key) {
  auto entry = Find(tenant, capture);
  if (!entry.ok()) return entry.status();
  uint64_t first = 0;
  const auto status = (*entry)->With([&](Capture& live) -> absl::Status {
    auto begun = live.BeginEpoch(epoch, p_.registry.now());
    if (!begun.ok()) return begun.status();
    first = *begun;
    *key = live.public_key();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return first;
}

absl::StatusOr<KeyOutcome> Captures::TakeKey(const std::string& tenant, const std::string& capture, const SealedKey& key,
                                             const Caller& caller) {
  auto entry = Find(tenant, capture);
  if (!entry.ok()) return entry.status();
  KeyOutcome outcome;
  const auto status = (*entry)->With([&](Capture& live) -> absl::Status {
    auto taken = live.TakeKey(key, p_.registry.now());
    if (taken.ok()) outcome = *taken;
    return taken.status();
  });
  if (HasCode(status, "capture_ended")) {  // people go on typing: acknowledged, kept nowhere
    p_.meters.keys_not_taken.Add();
    return KeyOutcome{Arrival::kNext, false, key.ordinal + 1};
  }
  if (!status.ok()) {
    if (HasCode(status, "epoch_stale")) p_.meters.keys_stale.Add();
    if (HasCode(status, "key_not_authentic")) {
      p_.meters.keys_not_authentic.Add();
      AuditBadKey((*entry)->identity(), caller);
    }
    return status;
  }
  if (outcome.arrival == Arrival::kRepeat) p_.meters.keys_repeated.Add();
  else if (outcome.arrival == Arrival::kGap) p_.meters.keys_lost.Add();
  else (outcome.taken ? p_.meters.keys_taken : p_.meters.keys_not_taken).Add();
  return outcome;
}

void Captures::AuditBadKey(const CaptureIdentity& identity, const Caller& caller) {
  {
    std::lock_guard<std::mutex> lock(bad_keys_mutex_);
    if (++bad_keys_[identity.capture] > kAuditedBadKeys) return;
  }
  const auto status = p_.audit.Record({caller.actor, "key.submit", identity.tenant, identity.capture, "key_not_authentic", caller.origin});
  if (!status.ok()) p_.meters.audit_failures.Add();
}

absl::StatusOr<TokenRow> Captures::Tokenise(const std::string& tenant, const std::string& capture, TokenPurpose purpose,
                                            absl::Duration ttl, const Caller& caller) {
  auto entry = Find(tenant, capture);
  if (!entry.ok()) return entry.status();
  std::lock_guard<std::mutex> one_at_a_time((*entry)->tokenising());
  if (const auto token = (*entry)->token()) return *token;
  const int64_t begun = p_.clock.MonotonicNanos();

  CollectedCard card;
  const auto collected = (*entry)->With([&](Capture& live) -> absl::Status {
    auto all = live.Collect(p_.registry.now());
    if (all.ok()) card = std::move(*all);
    return all.status();
  });
  if (!collected.ok()) return collected;
  auto row = Store(card, **entry, purpose, ttl, caller);
  static_cast<void>((*entry)->With([&](Capture& live) {
    if (row.ok()) {
      (*entry)->SetTokenLocked(*row);
      live.Finish();
    } else {
      live.GiveBack(std::move(card));
      if (!p_.registry.opening()) live.Cancel();
    }
    return absl::OkStatus();
  }));
  if (!row.ok()) return row.status();
  p_.meters.tokens.Add();
  p_.meters.tokenise_seconds.Observe(static_cast<double>(p_.clock.MonotonicNanos() - begun) / 1e9);
  return row;
}

absl::StatusOr<TokenRow> Captures::Store(CollectedCard& card, CaptureEntry& entry, TokenPurpose purpose, absl::Duration ttl,
                                         const Caller& caller) {
  const CaptureIdentity& who = entry.identity();
  if (!who.kept_token.empty()) {
    if (auto status = Complete(who, card); !status.ok()) return status;
  }
  auto copy = card.pan.Clone();
  if (!copy.ok()) return copy.status();
  auto pan = card::Pan::FromDigits(std::move(*copy));
  if (!pan.ok()) return pan.status();
  auto data_key = p_.keyring.SealingKey(who.tenant);
  if (!data_key.ok()) return data_key.status();
  auto print_key = p_.keyring.FingerprintKey(who.tenant);
  if (!print_key.ok()) return print_key.status();

  const absl::Time now = p_.clock.Now();
  TokenRow row;
  row.token = RandomId(p_.random, "tok");
  row.tenant = who.tenant;
  row.capture = who.capture;
  row.purpose = purpose;
  row.brand = pan->brand();
  row.bin = pan->bin();
  row.last_four = pan->last_four();
  row.fingerprint = crypto::Fingerprint(**print_key, pan->digits());
  row.key_version = (*data_key)->version;
  auto sealed = SealCardRecord(p_.random, **data_key, row.token, *pan, card.expiry, card.postcode);
  if (!sealed.ok()) return sealed.status();
  row.sealed_card = std::move(*sealed);
  row.created_ms = absl::ToUnixMillis(now);
  const absl::Duration life = purpose == TokenPurpose::kPayment ? options_.payment_ttl
                              : ttl == absl::ZeroDuration()     ? options_.default_ttl
                                                                : ttl;
  row.expires_ms = absl::ToUnixMillis(now + life);

  absl::StatusOr<secret::SecretBytes> code = secret::SecretBytes();
  if (!card.security_code.empty()) {
    code = card.security_code.Clone();
    if (!code.ok()) return code.status();
    const auto left = absl::Nanoseconds(card.code_deadline_nanos - p_.clock.MonotonicNanos());
    row.code_until_ms = absl::ToUnixMillis(now + left);
    row.code_replica = self().id;
    row.code_address = self().address;
  }
  const auto stored = p_.tokens.Insert(row, {caller.actor, "token.create", row.tenant, row.token, "ok", caller.origin}, who.kept_token);
  if (!stored.ok()) return stored;
  if (!code->empty()) p_.codes.Put(row.token, card::SecurityCode(std::move(*code)), card.code_deadline_nanos);
  return row;
}

absl::Status Captures::Complete(const CaptureIdentity& who, CollectedCard& card) {
  auto row = p_.tokens.Find(who.tenant, who.kept_token);
  if (row.ok() && row->destroyed_ms != 0) {
    // A commit of this very capture that was not confirmed has done it: its row has the card.
    row = p_.tokens.FindByCapture(who.tenant, who.capture);
  }
  if (absl::IsNotFound(row.status())) return CardNotKept(who.kept_token);
  if (!row.ok()) return row.status();
  auto key = p_.keyring.DataKey(who.tenant, row->key_version);
  if (!key.ok()) return key.status();
  auto kept = OpenCardRecord(**key, row->token, row->sealed_card);
  return kept.ok() ? FillIn(*kept, card) : kept.status();
}

void Captures::Tick() {
  p_.meters.codes_wiped_by_clock.Add(p_.codes.Sweep(p_.clock.MonotonicNanos()));
  const std::vector<std::string> forgotten = p_.registry.Tick();
  if (forgotten.empty()) return;
  {
    std::lock_guard<std::mutex> lock(bad_keys_mutex_);
    for (const std::string& capture : forgotten) bad_keys_.erase(capture);
  }
  std::lock_guard<std::mutex> lock(forgotten_mutex_);
  if (forgotten_.size() < kMaxForgotten) forgotten_.insert(forgotten_.end(), forgotten.begin(), forgotten.end());
}

absl::Status Captures::Tend() {
  std::vector<std::string> forgotten;
  {
    std::lock_guard<std::mutex> lock(forgotten_mutex_);
    forgotten.swap(forgotten_);
  }
  return forgotten.empty() ? absl::OkStatus() : p_.places.Remove(forgotten);
}

void Captures::Drain() {
  p_.registry.EndUncollected();
  p_.meters.codes_wiped_by_shutdown.Add(p_.codes.Drain());
}

void Captures::WipeAll() {
  p_.registry.CancelAll();
  p_.codes.Close();
}

}  // namespace flattone::vault
