#include "services/session-orchestration/session/session_state.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::session {
namespace {

constexpr std::array<std::string_view, 5> kStateNames = {"CREATED", "CAPTURING", "READY", "PROCESSING", "ENDED"};
constexpr std::array<std::string_view, 10> kActionNames = {
    "start capture", "restart field", "undo key", "submit field", "complete", "pay", "cancel", "capture lost", "settled", "end"};

using S = SessionState;
constexpr SessionStep Move(S next) { return {Verdict::kMove, next, {}}; }
constexpr SessionStep Repeat(S same) { return {Verdict::kRepeat, same, {}}; }
constexpr SessionStep Ignore(S same) { return {Verdict::kIgnore, same, {}}; }
constexpr SessionStep No(S same, std::string_view code) { return {Verdict::kRefuse, same, code}; }

constexpr std::string_view kNoCapture = "capture_not_started";
constexpr std::string_view kRunning = "capture_running";
constexpr std::string_view kIncomplete = "capture_incomplete";
constexpr std::string_view kComplete = "capture_complete";
constexpr std::string_view kOpen = "payment_open";
constexpr std::string_view kEnded = "session_ended";

// One row per state, in the order of SessionAction:
//                    start capture          restart field           undo key                submit field
//                    complete               pay                     cancel                  capture lost
//                    settled                end
constexpr std::array<std::array<SessionStep, 10>, 5> kTable = {{
    /* CREATED */ {{Move(S::kCapturing), No(S::kCreated, kNoCapture), No(S::kCreated, kNoCapture), No(S::kCreated, kNoCapture),
                    Ignore(S::kCreated), No(S::kCreated, kNoCapture), Repeat(S::kCreated), Ignore(S::kCreated),
                    Ignore(S::kCreated), Move(S::kEnded)}},
    /* CAPTURING */ {{No(S::kCapturing, kRunning), Move(S::kCapturing), Move(S::kCapturing), Move(S::kCapturing),
                      Move(S::kReady), No(S::kCapturing, kIncomplete), Move(S::kCreated), Move(S::kCreated),
                      Ignore(S::kCapturing), Move(S::kEnded)}},
    /* READY */ {{Move(S::kCapturing), No(S::kReady, kComplete), No(S::kReady, kComplete), No(S::kReady, kComplete),
                  Repeat(S::kReady), Move(S::kProcessing), Move(S::kCreated), Move(S::kCreated),
                  Ignore(S::kReady), Move(S::kEnded)}},
    // The card is with the adapter: losing the vault's capture changes nothing here, the payment's outcome decides.
    /* PROCESSING */ {{No(S::kProcessing, kOpen), No(S::kProcessing, kOpen), No(S::kProcessing, kOpen), No(S::kProcessing, kOpen),
                       Ignore(S::kProcessing), Repeat(S::kProcessing), Move(S::kProcessing), Ignore(S::kProcessing),
                       Move(S::kCreated), Move(S::kEnded)}},
    // An open payment outlives its session: the worker drives it on, finance hears of it.
    /* ENDED */ {{No(S::kEnded, kEnded), No(S::kEnded, kEnded), No(S::kEnded, kEnded), No(S::kEnded, kEnded),
                  Ignore(S::kEnded), No(S::kEnded, kEnded), No(S::kEnded, kEnded), Ignore(S::kEnded),
                  Ignore(S::kEnded), Repeat(S::kEnded)}},
}};

std::string_view FixFor(std::string_view code) {
  if (code == kNoCapture) return "start a capture first";
  if (code == kRunning) return "use the capture that is running, or cancel it first";
  if (code == kIncomplete) return "wait for the event that says the card is complete";
  if (code == kComplete) return "pay, or start the capture again";
  if (code == kOpen) return "wait for the outcome of the open payment, or cancel it";
  return "create a new session";
}

}  // namespace

SessionStep StepOf(SessionState state, SessionAction action) {
  return kTable[static_cast<size_t>(state)][static_cast<size_t>(action)];
}

absl::Status RefusalOf(SessionState state, SessionAction action) {
  const std::string_view code = StepOf(state, action).code;
  return Refusal(absl::StatusCode::kFailedPrecondition,
                 {.code = std::string(code), .field = {}, .limit = {}, .fix = std::string(FixFor(code))},
                 absl::StrCat("cannot ", std::string(NameOf(action)), ": the session is ", std::string(NameOf(state)), "; ",
                              std::string(FixFor(code))));
}

std::string_view NameOf(SessionState state) { return kStateNames[static_cast<size_t>(state)]; }
std::string_view NameOf(SessionAction action) { return kActionNames[static_cast<size_t>(action)]; }

std::optional<SessionState> SessionStateNamed(std::string_view name) {
  for (SessionState state : kSessionStates) {
    if (NameOf(state) == name) return state;
  }
  return std::nullopt;
}

}  // namespace flattone::session
