// The ledger's journal and report. A journal line is {"kind":…,"record":{…}} or {"kind":…,"text":"…"}; the newest
// line of an id wins.
#include <unistd.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/sandbox-psp/records.h"

namespace flattone::sandbox {
namespace {
namespace json = boost::json;
}  // namespace

std::string_view StatusName(const Payment& payment) {
  switch (payment.status) {
    case PaymentStatus::kNeedsMethod: return "needs_method";
    case PaymentStatus::kNeedsConfirmation: return "needs_confirmation";
    case PaymentStatus::kNeedsAction: return "needs_action";
    case PaymentStatus::kAuthorised: return "authorised";
    case PaymentStatus::kCaptured: return payment.refunded_minor > 0 ? "refunded" : "captured";
    case PaymentStatus::kDeclined: return "declined";
    case PaymentStatus::kVoided: return "voided";
  }
  return "?";
}

Ledger::~Ledger() {
  if (journal_ != nullptr) std::fclose(journal_);
}

template <typename Record>
void Ledger::Store(const char* kind, const Record& record) {
  if (journal_ == nullptr) return;
  const std::string line = json::serialize(json::object{{"kind", kind}, {"record", ToObject(record)}}) + "\n";
  std::fwrite(line.data(), 1, line.size(), journal_);
  std::fflush(journal_);
}
template void Ledger::Store<Payment>(const char*, const Payment&);
template void Ledger::Store<Charge>(const char*, const Charge&);
template void Ledger::Store<Refund>(const char*, const Refund&);
template void Ledger::Store<Method>(const char*, const Method&);

void Ledger::Put(const std::string& kind, const std::string& text) {
  if (journal_ == nullptr) return;
  const std::string line = json::serialize(json::object{{"kind", kind}, {"text", text}}) + "\n";
  std::fwrite(line.data(), 1, line.size(), journal_);
  std::fflush(journal_);
}

absl::Status Ledger::OpenJournal(const std::string& path) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::ifstream in(path);
  std::string line;
  size_t whole = 0;  // bytes of the lines that were read; a torn last one is cut off
  while (std::getline(in, line) && !in.eof()) {
    if (absl::Status status = Replay(line); !status.ok()) {
      return absl::DataLossError(absl::StrCat(path, ": ", std::string(status.message())));
    }
    whole += line.size() + 1;
  }
  in.close();
  journal_ = std::fopen(path.c_str(), "a+");
  if (journal_ == nullptr) return absl::UnavailableError(absl::StrCat("cannot open journal ", path));
  if (ftruncate(fileno(journal_), static_cast<off_t>(whole)) != 0) {
    return absl::UnavailableError(absl::StrCat("cannot write journal ", path));
  }
  return absl::OkStatus();
}

absl::Status Ledger::Replay(const std::string& line) {
  try {
    const json::value value = json::parse(line);
    const json::object& entry = value.as_object();
    const std::string kind = entry.at("kind").as_string().c_str();
    const json::object* record = entry.contains("record") ? &entry.at("record").as_object() : nullptr;
    const std::string text = entry.contains("text") ? entry.at("text").as_string().c_str() : "";
    if (kind == "payment") {
      auto payment = FromObject<Payment>(*record);
      if (payments_.count(payment.id) == 0) payment_order_.push_back(payment.id);
      payments_[payment.id] = std::move(payment);
    } else if (kind == "charge") {
      charges_.push_back(FromObject<Charge>(*record));
    } else if (kind == "refund") {
      refunds_.push_back(FromObject<Refund>(*record));
    } else if (kind == "method") {
      auto method = FromObject<Method>(*record);
      methods_[method.id] = std::move(method);
    } else if (kind == "fence") {
      const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits(' ', 1));
      fences_[parts.at(0) + std::string(1, '\0') + parts.at(1)] = true;
    } else if (kind == "key") {
      const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits(' ', 4));
      const size_t size = std::stoul(parts.at(3));
      keys_[parts.at(0) + std::string(1, '\0') + parts.at(4).substr(0, size)] =
          SavedAnswer{parts.at(1), false, std::stoi(parts.at(2)), parts.at(4).substr(size)};
    } else if (kind == "prune") {
      keys_.clear();
    } else if (kind == "reset") {
      payments_.clear(), payment_order_.clear(), charges_.clear(), refunds_.clear(), methods_.clear();
      keys_.clear(), fences_.clear();
    }
    return absl::OkStatus();
  } catch (const std::exception& error) {
    return absl::DataLossError(absl::StrCat("a line cannot be read: ", error.what()));
  }
}

std::string Ledger::ToJson(const std::string& payment_id, const std::string& reference) const {
  std::lock_guard<std::mutex> lock(mutex_);
  auto wanted = [&](const Payment& payment) {
    return (payment_id.empty() || payment.payment_id == payment_id) &&
           (reference.empty() || payment.reference == reference);
  };
  json::array payments, charges, refunds;
  for (const std::string& id : payment_order_) {
    const Payment& payment = payments_.at(id);
    if (!wanted(payment)) continue;
    json::object out = ToObject(payment);
    out["status"] = std::string(StatusName(payment));
    payments.push_back(std::move(out));
  }
  for (const Charge& charge : charges_) {
    const Payment& payment = payments_.at(charge.payment);
    if (!wanted(payment)) continue;
    json::object out = ToObject(charge);
    out["dialect"] = payment.dialect;
    out["payment_id"] = payment.payment_id;
    out["reference"] = payment.reference;
    out["amount_minor"] = payment.amount_minor;
    out["currency"] = payment.currency;
    out["state"] = std::string(StatusName(payment));
    out["captured_minor"] = payment.captured_minor;
    out["refunded_minor"] = payment.refunded_minor;
    out["last_four"] = payment.card.last_four;
    charges.push_back(std::move(out));
  }
  for (const Refund& refund : refunds_) {
    if (wanted(payments_.at(refund.payment))) refunds.push_back(ToObject(refund));
  }
  return json::serialize(json::object{{"payments", payments}, {"charges", charges}, {"refunds", refunds}}) + "\n";
}

}  // namespace flattone::sandbox
