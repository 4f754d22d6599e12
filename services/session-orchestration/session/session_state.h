// The states of a session and what each action does in each of them: one table, no I/O.
//
//   const SessionStep step = StepOf(session.state, SessionAction::kPay);
//   if (!step.allowed()) return RefusalOf(session.state, action, step);
//   session.state = step.next;
//
// CREATED has no card, CAPTURING is taking one, READY holds a complete one, PROCESSING has an open payment,
// ENDED is for good. A finished payment leads back to CREATED: the same call may pay again with a new capture.
// A session that is cancelled, or whose caller hangs up, while its payment is open ends when that is settled,
// so that nothing of its own follows "session.ended"; its payments may still be captured, voided and refunded.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"

namespace flattone::session {

// In the order of flattone.session.v1.SessionState, whose 0 is "unspecified".
enum class SessionState : uint8_t { kCreated, kCapturing, kReady, kProcessing, kEnded };

enum class SessionAction : uint8_t {
  kStartCapture,  // agent: the relay is secure, vault and masker accepted
  kRestartField,  // agent: a field from its beginning
  kEditField,     // agent: undo the newest key, or submit the field without '#'
  kComplete,      // vault: every field is in
  kSetIntent,     // agent: what the next payment is for
  kPay,           // agent: tokenise and authorise
  kCancel,        // agent: drop the card or the open payment, and end
  kEnd,           // agent: end after the last payment
  kHangUp,        // the call or the session's time is over
  kCaptureLost,   // vault or relay lost the capture, its time ran out
  kSettled,       // the payment reached an outcome that leaves nothing open
};

inline constexpr std::array<SessionState, 5> kSessionStates = {SessionState::kCreated, SessionState::kCapturing,
                                                               SessionState::kReady, SessionState::kProcessing,
                                                               SessionState::kEnded};
inline constexpr std::array<SessionAction, 11> kSessionActions = {
    SessionAction::kStartCapture, SessionAction::kRestartField, SessionAction::kEditField, SessionAction::kComplete,
    SessionAction::kSetIntent,    SessionAction::kPay,          SessionAction::kCancel,    SessionAction::kEnd,
    SessionAction::kHangUp,       SessionAction::kCaptureLost,  SessionAction::kSettled};

enum class Verdict : uint8_t {
  kMove,    // the state changes to `next` (which may be the same) and the action has its effect
  kRepeat,  // already done: answer as before, change nothing
  kIgnore,  // a late report that no longer matters: change nothing
  kRefuse,  // FAILED_PRECONDITION with `code`
};

struct SessionStep {
  Verdict verdict;
  SessionState next;
  std::string_view code;  // stable error code, for kRefuse
  bool allowed() const { return verdict != Verdict::kRefuse; }
};

// The cell of the table. Pure; any thread.
SessionStep StepOf(SessionState state, SessionAction action);

// FAILED_PRECONDITION that names the action, the state and what to do instead.
absl::Status RefusalOf(SessionState state, SessionAction action);

// "CREATED"…, as stored and shown; nullopt for an unknown name.
std::string_view NameOf(SessionState state);
std::string_view NameOf(SessionAction action);
std::optional<SessionState> SessionStateNamed(std::string_view name);

}  // namespace flattone::session
