#include "services/session-orchestration/session/session_state.h"

#include <map>
#include <sstream>
#include <string>

#include "libs/base/error.h"
#include "libs/testing/catch.h"

namespace flattone::session {
namespace {

// The table once more as a person reads it (README.md shows the same). A state: moves there; '=' repeats the
// answer; '.' ignores a late report; anything else is the refusal's code.
constexpr char kExpected[] = R"(
action         CREATED             CAPTURING           READY       PROCESSING    ENDED
start_capture  CAPTURING           capture_running     CAPTURING   payment_open  session_ended
restart_field  no_capture          CAPTURING           CAPTURING   payment_open  session_ended
edit_field     no_capture          CAPTURING           no_field    payment_open  session_ended
complete       .                   READY               =           .             .
set_intent     CREATED             CAPTURING           READY       payment_open  session_ended
pay            capture_incomplete  capture_incomplete  PROCESSING  =             session_ended
cancel         ENDED               ENDED               ENDED       PROCESSING    =
end            ENDED               ENDED               ENDED       payment_open  =
hang_up        ENDED               ENDED               ENDED       PROCESSING    .
capture_lost   .                   CREATED             CREATED     .             .
settled        .                   .                   .           CREATED       .
)";

std::string Shown(const SessionStep& step) {
  switch (step.verdict) {
    case Verdict::kMove: return std::string(NameOf(step.next));
    case Verdict::kRepeat: return "=";
    case Verdict::kIgnore: return ".";
    case Verdict::kRefuse: return std::string(step.code);
  }
  return "?";
}

TEST_CASE("each cell of the session's table is as written") {
  std::istringstream in(kExpected);
  std::string word;
  in >> word;
  for (SessionState state : kSessionStates) {
    in >> word;
    CHECK(word == NameOf(state));
  }
  size_t cells = 0;
  for (SessionAction action : kSessionActions) {
    in >> word;
    std::string name(NameOf(action));
    for (char& c : name) c = c == ' ' ? '_' : c;
    REQUIRE(word == name);
    for (SessionState state : kSessionStates) {
      in >> word;
      INFO(NameOf(state) << " x " << name);
      const SessionStep step = StepOf(state, action);
      CHECK(Shown(step) == word);
      if (step.verdict != Verdict::kMove) CHECK(step.next == state);
      ++cells;
    }
  }
  CHECK(cells == 55);
}

TEST_CASE("a refusal names state, action and the way out") {
  const absl::Status status = RefusalOf(SessionState::kCreated, SessionAction::kRestartField);
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(std::string(status.message()) == "cannot restart field: the session is CREATED; start a capture first");
  CHECK(DetailOf(status)->code == "no_capture");
}

TEST_CASE("names of states come back as states") {
  for (SessionState state : kSessionStates) CHECK(SessionStateNamed(NameOf(state)) == state);
  CHECK(!SessionStateNamed("created").has_value());
}

}  // namespace
}  // namespace flattone::session
