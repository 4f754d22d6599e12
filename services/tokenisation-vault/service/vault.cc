#include "services/tokenisation-vault/service/vault.h"

#include "libs/secret/arena.h"
#include "services/tokenisation-vault/store/schema.h"

namespace flattone::vault {
namespace {

constexpr absl::Duration kLeaseEvery = absl::Seconds(5);
constexpr absl::Duration kSweepEvery = absl::Seconds(30);
constexpr int kSweepBatch = 200;

}  // namespace

absl::StatusOr<std::unique_ptr<Vault>> Vault::Create(Outside outside, VaultOptions options) {
  if (auto status = storage::Migrate(outside.database, Schema()); !status.ok()) return status;
  auto keyring = std::make_unique<Keyring>(outside.database, outside.kek, outside.random, outside.clock, options.keys);
  auto audit_key = keyring->AuditKey();
  if (!audit_key.ok()) return audit_key.status();
  return std::unique_ptr<Vault>(new Vault(outside, std::move(options), std::move(keyring), std::move(*audit_key)));
}

absl::Status Vault::Serve(const std::string& address) {
  places_.SetAddress(address);
  if (auto status = places_.RenewLease(); !status.ok()) return status;
  registry_.BeginOpening();
  return absl::OkStatus();
}

Vault::Vault(Outside outside, VaultOptions options, std::unique_ptr<Keyring> keyring, crypto::SigningKey audit_key)
    : out_(outside),
      meters_(out_.metrics),
      keyring_(std::move(keyring)),
      group_(out_.database, options.group),
      audit_(out_.database, group_, out_.clock, std::move(audit_key)),
      tokens_(out_.database, group_, audit_, out_.clock),
      places_(out_.database, group_, out_.clock, {options.replica_id, ""}),
      registry_(out_.random, out_.clock, options.captures),
      codes_(options.code_after_release),
      captures_({registry_, codes_, places_, tokens_, *keyring_, audit_, out_.random, out_.clock, meters_}, options.tokens),
      cards_({codes_, places_, tokens_, *keyring_, out_.random, out_.clock, meters_, out_.log}, options.cards),
      next_lease_(out_.clock.MonotonicNanos() + absl::ToInt64Nanoseconds(kLeaseEvery)),
      live_captures_(out_.metrics, "flattone_vault_captures_live", "Captures that are running",
                     [this] { return static_cast<double>(registry_.live()); }),
      held_codes_(out_.metrics, "flattone_vault_codes_held", "Security codes in locked memory",
                  [this] { return static_cast<double>(codes_.size()); }),
      arena_used_(out_.metrics, "flattone_vault_locked_memory_used_bytes", "Locked memory in use",
                  [] { return static_cast<double>(secret::Arena::Process().usage().used_bytes); }),
      arena_capacity_(out_.metrics, "flattone_vault_locked_memory_bytes", "Locked memory reserved",
                      [] { return static_cast<double>(secret::Arena::Process().usage().capacity_bytes); }) {}

void Vault::Tend() {
  if (auto status = captures_.Tend(); !status.ok()) out_.log.Warn("places of ended captures not removed", {{"status", status}});
  const int64_t now = out_.clock.MonotonicNanos();
  if (now >= next_lease_) {
    next_lease_ = now + absl::ToInt64Nanoseconds(kLeaseEvery);
    if (auto status = places_.RenewLease(); !status.ok()) out_.log.Warn("lease not renewed", {{"status", status}});
    if (auto newest = audit_.Newest(); newest.ok()) meters_.audit_sequence.Set(static_cast<double>(*newest));
  }
  if (now >= next_sweep_) {
    next_sweep_ = now + absl::ToInt64Nanoseconds(kSweepEvery);
    Sweep();
  }
}

void Vault::Sweep() {
  auto destroyed = tokens_.DestroyExpired(kSweepBatch);
  if (!destroyed.ok()) return out_.log.Warn("sweeper failed", {{"status", destroyed.status()}});
  meters_.tokens_expired.Add(static_cast<uint64_t>(*destroyed));
  if (*destroyed == kSweepBatch) next_sweep_ = 0;  // more are waiting
}

void Vault::Close() {
  captures_.WipeAll();
  if (auto status = places_.Resign(); !status.ok()) out_.log.Warn("lease not given up", {{"status", status}});
}

}  // namespace flattone::vault
