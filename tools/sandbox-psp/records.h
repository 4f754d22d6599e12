// The fields of each record, named once: for the journal both ways and for the ledger's report.
#pragma once

#include <boost/json.hpp>

#include "tools/sandbox-psp/ledger.h"

namespace flattone::sandbox {

template <typename R, typename F>
void Fields(CardFacts*, R& r, F&& f) {
  f("brand", r.brand), f("bin", r.bin), f("last_four", r.last_four);
  f("expiry_month", r.expiry_month), f("expiry_year", r.expiry_year), f("magic", r.magic);
}
template <typename R, typename F>
void Fields(Payment*, R& r, F&& f) {
  f("id", r.id), f("dialect", r.dialect), f("account", r.account), f("reference", r.reference);
  f("payment_id", r.payment_id), f("order_reference", r.order_reference), f("amount_minor", r.amount_minor);
  f("currency", r.currency), f("capture_now", r.capture_now), f("status", r.status);
  f("captured_minor", r.captured_minor), f("refunded_minor", r.refunded_minor);
  f("authorisation_code", r.authorisation_code), f("decline", r.decline), f("method", r.method);
  f("charge", r.charge), f("card", r.card), f("metadata", r.metadata), f("created_at", r.created_at);
  f("voided_at", r.voided_at);
}
template <typename R, typename F>
void Fields(Charge*, R& r, F&& f) {
  f("id", r.id), f("payment", r.payment), f("idempotency_key", r.idempotency_key), f("at", r.at);
}
template <typename R, typename F>
void Fields(Refund*, R& r, F&& f) {
  f("id", r.id), f("payment", r.payment), f("charge", r.charge), f("amount_minor", r.amount_minor);
  f("metadata", r.metadata), f("at", r.at);
}
template <typename R, typename F>
void Fields(Method*, R& r, F&& f) {
  f("id", r.id), f("account", r.account), f("card", r.card), f("metadata", r.metadata), f("created_at", r.created_at);
}
template <typename R, typename F>
void Fields(SavedAnswer*, R& r, F&& f) {
  f("fingerprint", r.fingerprint), f("running", r.running), f("status", r.status), f("body", r.body);
}

struct ToRecord {
  boost::json::object out;
  void operator()(const char* name, const std::string& value) { out[name] = value; }
  void operator()(const char* name, int64_t value) { out[name] = value; }
  void operator()(const char* name, int value) { out[name] = value; }
  void operator()(const char* name, bool value) { out[name] = value; }
  void operator()(const char* name, PaymentStatus value) { out[name] = static_cast<int>(value); }
  void operator()(const char* name, const std::map<std::string, std::string>& value) {
    boost::json::object map;
    for (const auto& entry : value) map[entry.first] = entry.second;
    out[name] = std::move(map);
  }
  void operator()(const char* name, const CardFacts& value) {
    ToRecord inner;
    Fields(static_cast<CardFacts*>(nullptr), value, inner);
    out[name] = std::move(inner.out);
  }
};

struct FromRecord {
  const boost::json::object& in;
  void operator()(const char* name, std::string& value) const { value = in.at(name).as_string().c_str(); }
  void operator()(const char* name, int64_t& value) const { value = in.at(name).as_int64(); }
  void operator()(const char* name, int& value) const { value = static_cast<int>(in.at(name).as_int64()); }
  void operator()(const char* name, bool& value) const { value = in.at(name).as_bool(); }
  void operator()(const char* name, PaymentStatus& value) const {
    value = static_cast<PaymentStatus>(in.at(name).as_int64());
  }
  void operator()(const char* name, std::map<std::string, std::string>& value) const {
    for (const auto& entry : in.at(name).as_object()) value[std::string(entry.key())] = entry.value().as_string().c_str();
  }
  void operator()(const char* name, CardFacts& value) const {
    Fields(static_cast<CardFacts*>(nullptr), value, FromRecord{in.at(name).as_object()});
  }
};

template <typename Record>
boost::json::object ToObject(const Record& record) {
  ToRecord writer;
  Fields(static_cast<Record*>(nullptr), record, writer);
  return std::move(writer.out);
}
// Throws what Boost.JSON throws for a missing or mistyped member.
template <typename Record>
Record FromObject(const boost::json::object& object) {
  Record record;
  Fields(static_cast<Record*>(nullptr), record, FromRecord{object});
  return record;
}

// "authorised", "captured", "declined", "voided", "refunded", …
std::string_view StatusName(const Payment& payment);

}  // namespace flattone::sandbox
