// Secure capture: from the call to the vault and the relay, and back.
//
// Start: the capture is opened at the vault (its handle names the replica), then the relay secures the call;
// only when both have accepted is it "started". Between the two transactions no lock is held: a row in phase
// STARTING keeps a second start away, and the worker undoes it if this process dies.
// Progress: one replica watches the vault's stream under a lease; a status counts by its revision.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "flattone/session/v1/session.pb.h"
#include "services/session-orchestration/session/context.h"
#include "services/session-orchestration/store/rows.h"

namespace flattone::session {

class CaptureService {
 public:
  // `started` is told of a capture that this replica now has to watch (worker/watcher.h).
  CaptureService(const Domain& domain, std::function<void(const CaptureRow&)> started) : domain_(domain), started_(std::move(started)) {}

  absl::StatusOr<v1::Session> Start(const Change& change, const v1::StartCaptureRequest& request);
  absl::StatusOr<v1::Session> RestartField(const Change& change, const v1::RestartFieldRequest& request);
  absl::StatusOr<v1::Session> UndoKey(const Change& change, const v1::UndoKeyRequest& request);
  absl::StatusOr<v1::Session> SubmitField(const Change& change, const v1::SubmitFieldRequest& request);

  // A status of the vault's, from a reply or the stream: applied once, by revision. Any thread.
  absl::Status Apply(const std::string& tenant_id, const vault::v1::CaptureStatus& status);
  // The vault does not have it any more.
  absl::Status Lost(const std::string& tenant_id, const std::string& capture_id, std::string_view message);
  // One try to end a CLOSING capture at vault and relay. True: it is CLOSED.
  absl::StatusOr<bool> Close(const std::string& tenant_id, const std::string& capture_id);
  // A capture whose start was never finished: undone.
  absl::Status UndoStart(const std::string& tenant_id, const std::string& capture_id);

 private:
  struct Place {
    std::string relay_id, relay_address, call_id;
  };
  using FieldCall = std::function<absl::StatusOr<vault::v1::CaptureStatus>(const CaptureRow&)>;
  absl::StatusOr<Place> FindCall(const Change& change, const std::string& call_reference, absl::Time until);
  struct Starting {
    CaptureRow capture;  // without an id: the answer was kept
    SessionRow session;
    std::string token_id;  // of the card that stays, with StartCaptureRequest.fields
    v1::Session kept;
  };
  absl::StatusOr<Starting> Reserve(const Change& change, const v1::StartCaptureRequest& request);
  absl::Status BackToBefore(storage::Transaction& tx, SessionRow& row);
  // The captures of this call that are over, but the relay has not been told yet: it takes the next one only then.
  absl::Status CloseBefore(const CaptureRow& capture, absl::Time until);
  absl::Status Secure(const Change& change, const v1::StartCaptureRequest& request, Starting& starting, vault::v1::CaptureStatus& first);
  absl::StatusOr<v1::Session> Confirm(const Change& change, const CaptureRow& capture, const vault::v1::CaptureStatus& first);
  absl::StatusOr<v1::Session> Edit(const Change& change, const std::string& session_id, SessionAction action, const FieldCall& call);
  absl::Status ApplyIn(storage::Transaction& tx, SessionRow& session, CaptureRow& capture, const vault::v1::CaptureStatus& status);
  absl::Status Unprotected(storage::Transaction& tx, const std::string& tenant_id, const std::string& session_id,
                           const std::string& capture_id);
  absl::Status FailStart(const Change& change, const CaptureRow& capture, const absl::Status& why);

  const Domain& domain_;
  const std::function<void(const CaptureRow&)> started_;
};

}  // namespace flattone::session
