#include "services/session-orchestration/event/event_log.h"

#include "services/session-orchestration/webhook/delivery_store.h"

namespace flattone::session {
namespace {

absl::StatusOr<int64_t> NextOfTenant(storage::Transaction& tx, const World& world) {
  auto rows = tx.Query(
      "INSERT INTO world (tenant_id, mode, last_event) VALUES ($1, $2, 1)"
      " ON CONFLICT (tenant_id, mode) DO UPDATE SET last_event = world.last_event + 1 RETURNING last_event",
      {world.tenant_id, world.mode});
  if (!rows.ok()) return rows.status();
  return rows->front().Int("last_event");
}

absl::StatusOr<std::vector<v1::Event>> EventsIn(const absl::StatusOr<storage::Rows>& rows) {
  if (!rows.ok()) return rows.status();
  std::vector<v1::Event> events;
  for (const storage::Row& row : *rows) {
    if (!events.emplace_back().ParseFromString(row.Bytes("body"))) return absl::InternalError("an event's body does not parse");
  }
  return events;
}

}  // namespace

absl::StatusOr<v1::Event> AppendEvent(storage::Transaction& tx, Random& random, absl::Time now, SessionRow& session, const EventDraft& draft) {
  const int64_t now_us = absl::ToUnixMicros(now);
  session.body.set_last_event_sequence(++session.last_event);
  session.body.set_updated_at(TimeText(now_us));
  const absl::Status saved = SaveSession(tx, session);
  if (!saved.ok()) return saved;

  v1::Event event;
  event.set_id(RandomId(random, "evt"));
  event.set_session_sequence(session.last_event);
  event.set_type(draft.type);
  event.set_session_id(session.id);
  event.set_time(TimeText(now_us));
  event.set_mode(static_cast<common::v1::Mode>(session.mode));
  event.set_message(draft.message);
  event.set_actor(draft.actor);
  if (draft.payment != nullptr) {
    event.set_payment_id(draft.payment->id);
    *event.mutable_payment() = draft.payment->body;
  } else {
    *event.mutable_session() = session.body;
  }
  auto number = NextOfTenant(tx, session.world());
  if (!number.ok()) return number.status();
  event.set_tenant_sequence(*number);
  auto written = tx.Execute(
      "INSERT INTO event (tenant_id, mode, tenant_sequence, id, session_id, session_sequence, type, time_us, body)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
      {session.tenant_id, session.mode, *number, event.id(), session.id, session.last_event, draft.type, now_us,
       storage::Blob{event.SerializeAsString()}});
  if (!written.ok()) return written.status();
  const absl::Status queued = EnqueueDeliveries(tx, random, {event.id(), draft.type, session.tenant_id, session.mode, now_us});
  if (!queued.ok()) return queued;
  return event;
}

absl::StatusOr<std::vector<v1::Event>> SessionEvents(storage::Transaction& tx, const World& world, std::string_view session_id, int64_t after, int limit) {
  return EventsIn(tx.Query("SELECT body FROM event WHERE tenant_id = $1 AND mode = $2 AND session_id = $3 AND session_sequence > $4"
                           " ORDER BY session_sequence LIMIT $5",
                           {world.tenant_id, world.mode, session_id, after, limit}));
}

absl::StatusOr<std::vector<v1::Event>> TenantEvents(storage::Transaction& tx, const World& world, int64_t after, int limit) {
  return EventsIn(tx.Query("SELECT body FROM event WHERE tenant_id = $1 AND mode = $2 AND tenant_sequence > $3"
                           " ORDER BY tenant_sequence LIMIT $4",
                           {world.tenant_id, world.mode, after, limit}));
}

}  // namespace flattone::session
