// Who may call what: trust.md's table as code. Every RPC of the contracts has a row; a method without one is
// refused to everybody. The server's access check (access.h) asks here for each call, streams included.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "libs/rpc/identity.h"

namespace flattone::rpc {

enum Callers : uint32_t {
  kNobody = 0,  // public listener only, where an API key decides
  kByRelay = 1 << 0,
  kByMasker = 1 << 1,
  kByVault = 1 << 2,
  kByAdapter = 1 << 3,
  kByOrchestrator = 1 << 4,
  kByOperator = 1 << 5,
  kByEdge = 1 << 6,
  kByAnyIdentity = kByRelay | kByMasker | kByVault | kByAdapter | kByOrchestrator | kByOperator | kByEdge,
};

struct TableRow {
  std::string_view method;  // "/flattone.vault.v1.CaptureService/OpenCapture"
  uint32_t callers;
};

// All rows, for tests and documents.
const std::vector<TableRow>& IdentityTable();

// Whether `caller` may call `method` (":path") on an internal port. An unknown method: no.
bool MayCall(const CallerIdentity& caller, std::string_view method);

// Whether the table has a row for `method`: keeps refused methods' names out of metric labels otherwise.
bool IsKnownMethod(std::string_view method);

}  // namespace flattone::rpc
