// The steps that several actions share, each inside the caller's transaction, with the session's row locked.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "services/session-orchestration/event/event_log.h"
#include "services/session-orchestration/session/context.h"

namespace flattone::session {

// An operation of the payment that is to be sent from now on; `kind` as in gateway.v1.Operation. Not inserted yet.
OperationRow NewOperation(const Domain& domain, const PaymentRow& payment, int kind, int64_t amount_minor, std::string_view actor,
                          std::string_view traceparent);

// Appends an event and saves the session.
absl::Status Tell(storage::Transaction& tx, const Domain& domain, SessionRow& session, const EventDraft& draft);

// The session's capture, if one is starting or running, is to end: the worker cancels it at the vault (unless
// `keep_card`: it was tokenised) and stops the relay, until both have confirmed. Leaves the event to the caller.
absl::Status CloseCapture(storage::Transaction& tx, const Domain& domain, SessionRow& session, bool keep_card);

// A payment that is over without the adapter, which wipes what it has used: the worker wipes the tokenised card's code at the vault.
absl::Status WipeTokenised(storage::Transaction& tx, const Domain& domain, const PaymentRow& payment);

// The capture is lost: back to CREATED so that the agent can start again, "session.capture_ended" says why.
absl::Status LoseCapture(storage::Transaction& tx, const Domain& domain, SessionRow& session, std::string_view message);

// Ends the session now: "session.ended", for good.
absl::Status EndNow(storage::Transaction& tx, const Domain& domain, SessionRow& session, std::string_view reason, std::string_view actor);

// Cancel, hang-up and time-out in whatever state: ends now, or with the open payment. Only `void_payment` (cancel)
// asks for a void should it turn out approved. No change in ENDED.
absl::Status EndOrWait(storage::Transaction& tx, const Domain& domain, SessionRow& session, SessionAction action, std::string_view reason,
                       std::string_view actor);

// The open payment is to be given up: at once where nothing was sent, else void-if-approved, told to the adapter
// by an operation that the worker drives.
absl::Status AskVoid(storage::Transaction& tx, const Domain& domain, SessionRow& session, PaymentRow& payment, std::string_view actor);

// The payment is not open any more: the session goes on, or ends if that was asked meanwhile.
absl::Status Settle(storage::Transaction& tx, const Domain& domain, SessionRow& session);

}  // namespace flattone::session
