// What an adapter to one PSP must be able to do. conformance_test.cc runs every adapter against every fault.
//
// An adapter is stateless: any thread, any number of calls at once; each blocks up to the PSP's own time-out.
// - Send does the operation, once. It never repeats a request that may have been read.
// - Ask reads; it moves no money.
// - Fence makes sure that the operation neither moved money nor ever will (cancel, void, reverse by reference).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/crypto/sealed_card.h"
#include "libs/http/url.h"
#include "libs/secret/bytes.h"
#include "services/gateway-adapter/attempt/attempt.h"

namespace flattone::http {
class HttpClient;
}

namespace flattone::gateway {

// A PSP account's secrets by field name ("secret_key").
using Credentials = std::map<std::string, secret::SecretBytes>;

struct PspTimes {
  absl::Duration connect = absl::Seconds(10);
  absl::Duration answer = absl::Seconds(60);
  absl::Duration total = absl::Seconds(80);
};

// Where a PSP is and how patiently it is asked: operator configuration only.
struct PspEndpoint {
  std::string name;  // "stripe", "sandbox"
  http::Url base;
  PspTimes times;
};

enum class Sent {
  kNotSent,   // not one byte of the request that moves money left
  kAnswered,  // `answer` is what the PSP said
  kUnknown,   // it may have been read
  kTakenOver, // somebody else has the attempt: nothing left, and nothing may be written
};

// What the PSP said about an operation.
struct PspFacts {
  Answer answer = Answer::kNone;
  Instruction instruction = Instruction::kNone;
  bool captured = false;
  std::string psp_reference;
  std::string authorisation_code;
  std::string raw_code;
};
struct SendResult {
  Sent sent = Sent::kNotSent;
  PspFacts facts;
};

// After a checkpoint that failed nothing is sent: another process has the attempt, or the ledger cannot be reached; then
// NOT_SENT is the truth, and is stored as soon as the ledger is back.
inline SendResult NotCheckpointed(const absl::Status& why) {
  if (absl::IsFailedPrecondition(why) || absl::IsNotFound(why)) return {Sent::kTakenOver, {}};
  return {Sent::kNotSent, {.raw_code = "ledger_unavailable"}};
}

struct SendRequest {
  const Attempt& attempt;
  const Credentials& credentials;
  const crypto::SecretCard* card = nullptr;  // AUTHORISE only
  // AUTHORISE calls it before the request that moves money, to make the PSP's id of it durable; not OK: NotCheckpointed().
  // For the other operations the runner has done so.
  std::function<absl::Status(const std::string& psp_reference)> checkpoint;
  // After the connection of the request that moves money stands, before its first byte.
  std::function<void()> on_connected;
};

enum class Finding {
  kNoNews,        // no usable answer, or the PSP itself does not know yet
  kDone,          // the operation has an outcome: `facts`
  kNothingMoved,  // the PSP has seen nothing of it (no proof: the request may still be on its way)
};
struct AskResult {
  Finding finding = Finding::kNoNews;
  PspFacts facts;
};

enum class FenceFinding {
  kNoNews,
  kFenced,  // no money moved or it was taken back, and nothing can move any more
  kTooLate, // it was done: ask again
};
struct FenceResult {
  FenceFinding finding = FenceFinding::kNoNews;
  PspFacts facts;
};

class PspAdapter {
 public:
  virtual ~PspAdapter() = default;
  // Credential fields that an account must have.
  virtual const std::vector<std::string>& credential_fields() const = 0;
  virtual SendResult Send(const SendRequest& request) = 0;
  virtual AskResult Ask(const Attempt& attempt, const Credentials& credentials) = 0;
  virtual FenceResult Fence(const Attempt& attempt, const Credentials& credentials) = 0;
};

}  // namespace flattone::gateway
