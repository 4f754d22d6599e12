// An attempt: one operation at one PSP, as the ledger keeps it.
//
//   SENDING ──answer──▶ ANSWERED            final
//      │ ──nothing left this process──▶ NOT_SENT   final; only its owner may say so
//      └ ──no answer, or the owner's lease ran out──▶ UNKNOWN ──asked, fenced or decided──▶ ANSWERED
#pragma once

#include <cstdint>
#include <string>

#include "libs/obs/trace.h"

namespace flattone::gateway {

enum class Mode : int { kTest = 1, kLive = 2 };
enum class Operation : int { kAuthorise = 1, kCapture = 2, kVoid = 3, kRefund = 4 };
enum class State : int { kSending = 1, kNotSent = 2, kAnswered = 3, kUnknown = 4 };
enum class Answer : int { kNone = 0, kApproved = 1, kDeclined = 2, kError = 3, kVoided = 4 };

// What the agent may tell the caller. The numbers are those of flattone.common.v1.Instruction.
enum class Instruction : int {
  kNone = 0,
  kReenterNumber = 1,
  kReenterExpiry = 2,
  kReenterSecurityCode = 3,
  kOtherCard = 4,
  kCallTheBank = 5,
  kTryLater = 6,
  kStop = 7,
  kDoNotRetype = 8,
};

struct Attempt {
  std::string attempt_id;
  std::string tenant_id;
  std::string payment_id;
  std::string operation_id;
  Operation operation = Operation::kAuthorise;
  int64_t amount_minor = 0;
  std::string currency;
  Mode mode = Mode::kTest;
  bool capture_now = false;  // AUTHORISE: charge at once
  std::string order_reference;

  State state = State::kSending;
  Answer answer = Answer::kNone;
  Instruction instruction = Instruction::kNone;
  bool captured = false;
  bool void_if_approved = false;
  std::string void_operation_id;  // of the VoidPayment that marked it
  uint64_t version = 1;  // rises with every change that the outbox tells

  std::string psp;
  std::string account_id;
  std::string idempotency_key;
  std::string psp_reference;     // the PSP's id of this operation
  std::string target_reference;  // capture, void, refund: the PSP's id of the authorisation
  int64_t refunded_before_minor = 0;  // REFUND: what was given back before it
  std::string authorisation_code;
  std::string raw_code;

  // Who holds the socket. The epoch rises when somebody else takes the attempt over; what an older epoch
  // writes afterwards is refused.
  std::string owner;
  int64_t epoch = 1;

  std::string token_id;
  std::string vault_address;
  int brand = 0;  // flattone.common.v1.CardBrand
  std::string last_four;

  int64_t created_us = 0;
  int64_t updated_us = 0;
  int64_t unknown_us = 0;  // since when UNKNOWN
  int64_t ask_at_us = 0;   // when the PSP is asked next
  int asked = 0;           // how often it was

  // W3C trace of the call that asked for it: what is said and sent about the attempt later, by whichever process, goes under it.
  std::string traceparent;

  // What the vault still has to be told: 0 nothing, 1 wipe the security code, 2 destroy the number too.
  int wipe = 0;
};

inline bool Live(const Attempt& a) { return a.state == State::kSending || a.state == State::kUnknown; }
inline obs::TraceContext TraceOf(const Attempt& a) { return obs::TraceContext::Parse(a.traceparent).value_or(obs::TraceContext()); }
inline bool Approved(const Attempt& a) { return a.state == State::kAnswered && a.answer == Answer::kApproved; }

}  // namespace flattone::gateway
