#include "services/gateway-adapter/attempt/rows.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace flattone::gateway {
namespace {

const std::vector<std::string>& Names() {
  static const std::vector<std::string> names = {
      "attempt_id", "tenant_id", "payment_id", "operation_id", "operation", "amount_minor", "currency",
      "mode", "capture_now", "order_reference", "state", "answer", "instruction", "captured",
      "void_if_approved", "void_operation_id", "version", "psp", "account_id", "idempotency_key",
      "psp_reference", "target_reference", "refunded_before_minor", "authorisation_code", "raw_code", "owner", "epoch", "token_id",
      "vault_address", "brand", "last_four", "created_us", "updated_us", "unknown_us", "ask_at_us", "asked",
      "wipe", "traceparent"};
  return names;
}

}  // namespace

const std::string& AttemptColumns() {
  static const std::string columns = absl::StrJoin(Names(), ", ");
  return columns;
}

const std::string& InsertAttempt() {
  static const std::string sql = [] {
    std::vector<std::string> places;
    for (size_t i = 1; i <= Names().size(); ++i) places.push_back(absl::StrCat("$", i));
    return absl::StrCat("INSERT INTO attempt (", AttemptColumns(), ") VALUES (", absl::StrJoin(places, ", "), ")");
  }();
  return sql;
}

const std::string& UpdateAttempt() {
  static const std::string sql = [] {
    std::vector<std::string> sets;
    for (size_t i = 1; i < Names().size(); ++i) sets.push_back(absl::StrCat(Names()[i], " = $", i + 1));
    return absl::StrCat("UPDATE attempt SET ", absl::StrJoin(sets, ", "), " WHERE attempt_id = $1");
  }();
  return sql;
}

std::vector<storage::Value> ValuesOf(const Attempt& a) {
  return {
      a.attempt_id, a.tenant_id, a.payment_id, a.operation_id, static_cast<int>(a.operation), a.amount_minor,
      a.currency, static_cast<int>(a.mode), a.capture_now, a.order_reference, static_cast<int>(a.state),
      static_cast<int>(a.answer), static_cast<int>(a.instruction), a.captured, a.void_if_approved,
      a.void_operation_id, static_cast<int64_t>(a.version), a.psp, a.account_id, a.idempotency_key,
      a.psp_reference, a.target_reference, a.refunded_before_minor, a.authorisation_code, a.raw_code, a.owner, a.epoch, a.token_id,
      a.vault_address, a.brand, a.last_four, a.created_us, a.updated_us, a.unknown_us, a.ask_at_us, a.asked,
      a.wipe, a.traceparent};
}

Attempt AttemptOf(const storage::Row& row) {
  Attempt a;
  a.attempt_id = row.Text("attempt_id");
  a.tenant_id = row.Text("tenant_id");
  a.payment_id = row.Text("payment_id");
  a.operation_id = row.Text("operation_id");
  a.operation = static_cast<Operation>(row.Int("operation"));
  a.amount_minor = row.Int("amount_minor");
  a.currency = row.Text("currency");
  a.mode = static_cast<Mode>(row.Int("mode"));
  a.capture_now = row.Bool("capture_now");
  a.order_reference = row.Text("order_reference");
  a.state = static_cast<State>(row.Int("state"));
  a.answer = static_cast<Answer>(row.Int("answer"));
  a.instruction = static_cast<Instruction>(row.Int("instruction"));
  a.captured = row.Bool("captured");
  a.void_if_approved = row.Bool("void_if_approved");
  a.void_operation_id = row.Text("void_operation_id");
  a.version = static_cast<uint64_t>(row.Int("version"));
  a.psp = row.Text("psp");
  a.account_id = row.Text("account_id");
  a.idempotency_key = row.Text("idempotency_key");
  a.psp_reference = row.Text("psp_reference");
  a.target_reference = row.Text("target_reference");
  a.refunded_before_minor = row.Int("refunded_before_minor");
  a.authorisation_code = row.Text("authorisation_code");
  a.raw_code = row.Text("raw_code");
  a.owner = row.Text("owner");
  a.epoch = row.Int("epoch");
  a.token_id = row.Text("token_id");
  a.vault_address = row.Text("vault_address");
  a.brand = static_cast<int>(row.Int("brand"));
  a.last_four = row.Text("last_four");
  a.created_us = row.Int("created_us");
  a.updated_us = row.Int("updated_us");
  a.unknown_us = row.Int("unknown_us");
  a.ask_at_us = row.Int("ask_at_us");
  a.asked = static_cast<int>(row.Int("asked"));
  a.wipe = static_cast<int>(row.Int("wipe"));
  a.traceparent = row.Text("traceparent");
  return a;
}

}  // namespace flattone::gateway
