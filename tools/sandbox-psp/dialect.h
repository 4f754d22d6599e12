// A dialect turns an HTTP request into a Call: which operation, on what, and how to carry it out. The server puts
// idempotency and faults around it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "libs/http/server.h"
#include "libs/http/url.h"
#include "tools/sandbox-psp/fault.h"
#include "tools/sandbox-psp/ledger.h"

namespace flattone::sandbox {

struct Reply {
  int status = 200;
  std::string body;
};
// Of a path that is neither dialect's nor an admin call.
inline Reply NotFound() { return {404, "{\"error\":{\"code\":\"not_found\"}}\n"}; }

struct Call {
  Operation operation = Operation::kGet;
  bool changes = false;  // idempotency applies
  std::string account;
  std::string key;                      // Idempotency-Key, may be empty
  std::string meaning;                  // the request without card numbers: what a reused key is compared by
  std::vector<std::string> references;  // payment_id and reference, for faults
  std::string last_four;
  std::string magic;
  std::function<Reply()> run;
};

class Dialect {
 public:
  virtual ~Dialect() = default;
  // The call, or the answer to a request that is none (401, 404, 400). `path` is decoded.
  virtual std::variant<Call, Reply> Prepare(const http::Request& request, const std::string& path,
                                            const http::Fields& query) = 0;
  virtual Reply KeyInUse() const = 0;
  virtual Reply KeyReused() const = 0;
  virtual Reply ServerError() const = 0;
};

// "Bearer <key>" → a short name for the key's account; empty when the key does not begin with `prefix`.
std::string AccountOf(const http::Request& request, std::string_view prefix);
// "/v1/x/{id}/verb" → id and verb behind `prefix`; false when there are more segments.
bool SplitPath(const std::string& path, std::string_view prefix, std::string* id, std::string* verb);

std::unique_ptr<Dialect> MakeSandboxDialect(Ledger& ledger);
std::unique_ptr<Dialect> MakeStripeDialect(Ledger& ledger);

}  // namespace flattone::sandbox
