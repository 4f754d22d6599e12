// What can be made to go wrong, and when: an armed list that requests take from.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace flattone::sandbox {

enum class Operation { kAny, kAuthorise, kCreate, kTokenise, kCapture, kVoid, kRefund, kGet, kFence };
std::string_view OperationName(Operation operation);
std::optional<Operation> ParseOperation(std::string_view name);

enum class FaultKind {
  kSlow, kSlowAfter, kDrop, kDropAfter, kReset, kResetAfter, kError, kErrorAfter, kStored500, kGarbage, kHoldBefore,
  kHold, kForgetKey
};
std::string_view FaultName(FaultKind kind);
std::optional<FaultKind> ParseFault(std::string_view name);

struct Fault {
  FaultKind kind = FaultKind::kSlow;
  Operation operation = Operation::kAny;
  int64_t ms = 0;
  int64_t count = 1;      // how often; 0: for ever
  std::string reference;  // payment_id or reference; empty: any
  std::string last_four;  // empty: any
};

class FaultList {
 public:
  void Arm(Fault fault);
  void Clear();
  std::vector<Fault> List() const;
  // The first armed fault that fits, counted down. `references` are the payment's id and reference.
  std::optional<Fault> Take(Operation operation, const std::vector<std::string>& references,
                            std::string_view last_four);

 private:
  mutable std::mutex mutex_;
  std::list<Fault> faults_;
};

}  // namespace flattone::sandbox
