#include "tools/sandbox-psp/fault.h"

#include <algorithm>
#include <utility>

namespace flattone::sandbox {
namespace {

constexpr std::pair<Operation, std::string_view> kOperations[] = {
    {Operation::kAny, "any"},         {Operation::kAuthorise, "authorise"}, {Operation::kCreate, "create"},
    {Operation::kTokenise, "tokenise"}, {Operation::kCapture, "capture"},   {Operation::kVoid, "void"},
    {Operation::kRefund, "refund"},   {Operation::kGet, "get"},             {Operation::kFence, "fence"},
};
constexpr std::pair<FaultKind, std::string_view> kFaults[] = {
    {FaultKind::kSlow, "slow"},         {FaultKind::kSlowAfter, "slow_after"},   {FaultKind::kDrop, "drop"},
    {FaultKind::kDropAfter, "drop_after"}, {FaultKind::kReset, "reset"},         {FaultKind::kResetAfter, "reset_after"},
    {FaultKind::kError, "error"},       {FaultKind::kErrorAfter, "error_after"}, {FaultKind::kStored500, "stored_500"},
    {FaultKind::kGarbage, "garbage"},   {FaultKind::kHoldBefore, "hold_before"}, {FaultKind::kHold, "hold"},
    {FaultKind::kForgetKey, "forget_key"},
};

template <typename Kind, size_t N>
std::string_view NameIn(const std::pair<Kind, std::string_view> (&table)[N], Kind kind) {
  for (const auto& row : table) {
    if (row.first == kind) return row.second;
  }
  return "?";
}
template <typename Kind, size_t N>
std::optional<Kind> ParseIn(const std::pair<Kind, std::string_view> (&table)[N], std::string_view name) {
  for (const auto& row : table) {
    if (row.second == name) return row.first;
  }
  return std::nullopt;
}

}  // namespace

std::string_view OperationName(Operation operation) { return NameIn(kOperations, operation); }
std::optional<Operation> ParseOperation(std::string_view name) { return ParseIn(kOperations, name); }
std::string_view FaultName(FaultKind kind) { return NameIn(kFaults, kind); }
std::optional<FaultKind> ParseFault(std::string_view name) { return ParseIn(kFaults, name); }

void FaultList::Arm(Fault fault) {
  std::lock_guard<std::mutex> lock(mutex_);
  faults_.push_back(std::move(fault));
}

void FaultList::Clear() {
  std::lock_guard<std::mutex> lock(mutex_);
  faults_.clear();
}

std::vector<Fault> FaultList::List() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return {faults_.begin(), faults_.end()};
}

std::optional<Fault> FaultList::Take(Operation operation, const std::vector<std::string>& references,
                                     std::string_view last_four) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto it = faults_.begin(); it != faults_.end(); ++it) {
    if (it->operation != Operation::kAny && it->operation != operation) continue;
    if (!it->last_four.empty() && it->last_four != last_four) continue;
    if (!it->reference.empty() && std::find(references.begin(), references.end(), it->reference) == references.end()) {
      continue;
    }
    Fault taken = *it;
    if (it->count == 1) faults_.erase(it);
    else if (it->count > 1) --it->count;
    return taken;
  }
  return std::nullopt;
}

}  // namespace flattone::sandbox
