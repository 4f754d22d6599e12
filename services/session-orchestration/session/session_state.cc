#include "services/session-orchestration/session/session_state.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::session {
namespace {

constexpr std::array<std::string_view, 5> kStateNames = {"CREATED", "CAPTURING", "READY", "PROCESSING", "ENDED"};
constexpr std::array<std::string_view, 11> kActionNames = {"start capture", "restart field", "edit field", "complete",
                                                           "set intent",    "pay",           "cancel",     "end",
                                                           "hang up",       "capture lost",  "settled"};

using S = SessionState;
constexpr SessionStep Move(S next) { return {Verdict::kMove, next, {}}; }
constexpr SessionStep Repeat(S same) { return {Verdict::kRepeat, same, {}}; }
constexpr SessionStep Ignore(S same) { return {Verdict::kIgnore, same, {}}; }
constexpr SessionStep No(S same, std::string_view code) { return {Verdict::kRefuse, same, code}; }

constexpr std::string_view kNoCapture = "no_capture";
constexpr std::string_view kNoField = "no_field";
constexpr std::string_view kRunning = "capture_running";
constexpr std::string_view kIncomplete = "capture_incomplete";
constexpr std::string_view kOpen = "payment_open";
constexpr std::string_view kEnded = "session_ended";

// One row per state, in the order of SessionAction:
//   start capture, restart field, edit field, complete,
//   set intent, pay, cancel, end,
//   hang up, capture lost, settled
constexpr std::array<std::array<SessionStep, 11>, 5> kTable = {{
    /* CREATED */
    {{Move(S::kCapturing), No(S::kCreated, kNoCapture), No(S::kCreated, kNoCapture), Ignore(S::kCreated),
      Move(S::kCreated), No(S::kCreated, kIncomplete), Move(S::kEnded), Move(S::kEnded),
      Move(S::kEnded), Ignore(S::kCreated), Ignore(S::kCreated)}},
    /* CAPTURING */
    {{No(S::kCapturing, kRunning), Move(S::kCapturing), Move(S::kCapturing), Move(S::kReady),
      Move(S::kCapturing), No(S::kCapturing, kIncomplete), Move(S::kEnded), Move(S::kEnded),
      Move(S::kEnded), Move(S::kCreated), Ignore(S::kCapturing)}},
    /* READY */
    {{Move(S::kCapturing), Move(S::kCapturing), No(S::kReady, kNoField), Repeat(S::kReady),
      Move(S::kReady), Move(S::kProcessing), Move(S::kEnded), Move(S::kEnded),
      Move(S::kEnded), Move(S::kCreated), Ignore(S::kReady)}},
    // The card is with the adapter: losing the vault's capture changes nothing here, the outcome decides.
    /* PROCESSING */
    {{No(S::kProcessing, kOpen), No(S::kProcessing, kOpen), No(S::kProcessing, kOpen), Ignore(S::kProcessing),
      No(S::kProcessing, kOpen), Repeat(S::kProcessing), Move(S::kProcessing), No(S::kProcessing, kOpen),
      Move(S::kProcessing), Ignore(S::kProcessing), Move(S::kCreated)}},
    /* ENDED */
    {{No(S::kEnded, kEnded), No(S::kEnded, kEnded), No(S::kEnded, kEnded), Ignore(S::kEnded),
      No(S::kEnded, kEnded), No(S::kEnded, kEnded), Repeat(S::kEnded), Repeat(S::kEnded),
      Ignore(S::kEnded), Ignore(S::kEnded), Ignore(S::kEnded)}},
}};

std::string_view FixFor(std::string_view code) {
  if (code == kNoCapture) return "start a capture first";
  if (code == kNoField) return "every field is complete: restart one, or pay";
  if (code == kRunning) return "use the capture that is running";
  if (code == kIncomplete) return "wait for the event that says every field is complete";
  if (code == kOpen) return "wait for the outcome of the open payment, or cancel";
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
