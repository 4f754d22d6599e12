"""Every command of flattonectl against the service that it is for, with a payment in the fleet: what it shows, as JSON and as a
table, and the record that it leaves. (`unknown resolve` has a test of its own: it needs an outcome that is not known.)"""

import re

import pytest
import requests

from fleet import FleetError
from test_operator import run
from world import Session, eventually

OPERATOR = "operator"


class Desk:
    """An operator who sees what is recorded about them."""

    def __init__(self, world):
        self.world, self.fleet = world, world.fleet
        self.done = max((int(a["sequence"]) for a in self.actions(0)), default=0)

    def actions(self, after):
        found = []
        while page := self.fleet.ctl("audit", "session", "--after", after, "--page-size", "100")["actions"]:
            found, after = found + page, int(page[-1]["sequence"])
        return found

    def do(self, *arguments):
        return self.fleet.ctl(*arguments)

    def table(self, *arguments):
        """A command's table as rows of {column: cell}."""
        done = run(self.fleet, "--session-address", self.fleet.addresses("session-orchestration"), *arguments)
        assert done.returncode == 0, done.stderr
        header, *lines = done.stdout.splitlines()
        columns = [(m.group(), m.start()) for m in re.finditer(r"\S+", header)]
        ends = [start for _, start in columns[1:]] + [None]
        return [{name: line[start:end].strip() for (name, start), end in zip(columns, ends)}
                for line in lines if not line.startswith("more: ")]

    def recorded(self, action, tenant, thing="", times=1):
        """So many new records of this action, the operator's; what came before is forgotten."""
        new = self.actions(self.done)
        self.done = int(new[-1]["sequence"]) if new else self.done
        same = [a for a in new if (a["action"], a["tenant_id"], a["object"]) == (action, tenant, thing)]
        assert len(same) == times and all(a["actor"] == OPERATOR and a["time"].endswith("Z") for a in same), (action, new)


@pytest.fixture(scope="module")
def paid(sqlite_world):
    """(world, tenant, session, payment): a payment of a tenant of its own."""
    world = sqlite_world
    tenant = world.fleet.add_tenant("Operated")
    call = world.call(tenant=tenant)
    session = world.session(call, api=world.api_of(tenant))
    session.start()
    call.type_card(world.card())
    session.ready()
    payment = session.pay()
    assert payment["state"] == "PAYMENT_STATE_CAPTURED"
    call.hang_up()
    session.events.wait_type("session.ended", 15)
    return world, tenant, session, payment


@pytest.fixture
def desk(paid):
    return Desk(paid[0])


def test_sessions_payments_and_events_of_any_tenant_are_shown_and_each_look_is_recorded(paid, desk):
    _, tenant, session, payment = paid
    of = ("--tenant", tenant["id"], "--mode", "test")
    [row] = desk.table("session", "list", *of, "--state", "ended")
    assert row["id"] == session.id and row["state"] == "ended" and row["agent"] == "amal" and row["created_at"].endswith("Z")
    desk.recorded("session.list", tenant["id"])
    assert desk.do("session", "list", *of, "--state", "ready")["sessions"] == []
    assert desk.do("session", "list", "--tenant", tenant["id"], "--mode", "live")["sessions"] == []
    desk.recorded("session.list", tenant["id"], times=2)
    shown = desk.do("session", "get", "--tenant", tenant["id"], "--session", session.id)
    assert shown["end_reason"] == "hang_up" and [p["id"] for p in shown["payments"]] == [payment["id"]]
    desk.recorded("session.get", tenant["id"], session.id)
    [row] = desk.table("payment", "list", *of, "--state", "captured", "--order", payment["order_reference"])
    assert (row["id"], row["amount_minor"], row["currency_code"], row["last_four"]) == (payment["id"], "1999", "EUR", payment["last_four"])
    assert row["psp_reference"] == payment["psp_reference"]
    desk.recorded("payment.list", tenant["id"])
    assert desk.do("payment", "list", *of, "--state", "declined")["payments"] == []
    events = desk.do("event", "list", *of)["events"]
    desk.recorded("event.list", tenant["id"])
    assert [int(e["tenant_sequence"]) for e in events] == list(range(1, len(events) + 1))
    assert {"session.created", "payment.captured", "session.ended"} <= {e["type"] for e in events}
    later = desk.do("event", "list", *of, "--after", 2, "--page-size", 1)["events"]
    assert [e["id"] for e in later] == [events[2]["id"]]


def test_another_tenants_session_is_not_found(paid, desk):
    world, _, session, _ = paid
    with pytest.raises(FleetError, match="NOT_FOUND.*session_not_found"):
        desk.do("session", "get", "--tenant", world.tenant["id"], "--session", session.id)


def test_a_webhook_endpoint_is_made_its_secret_shown_once_and_its_deliveries_are_seen(paid, desk):
    world, tenant, _, _ = paid
    of = ("--tenant", tenant["id"], "--mode", "test")
    url = "https://127.0.0.1:1/nobody"
    made = desk.do("webhook", "create", *of, "--url", url, "--events", "session.ended", "--description", "by the operator")
    assert made["secret"].startswith("whsec_") and made["public_key"].startswith("whpk_")
    desk.recorded("webhook.create", tenant["id"], made["id"])
    second = desk.do("webhook", "create", *of, "--url", url)
    desk.recorded("webhook.create", tenant["id"], second["id"])
    [row, other] = desk.table("webhook", "list", *of)
    assert {row["id"], other["id"]} == {made["id"], second["id"]} and row["url"] == url
    desk.recorded("webhook.list", tenant["id"])
    first = desk.do("webhook", "list", *of, "--page-size", 1)
    assert len(first["endpoints"]) == 1 and first["next_page_token"]
    rest = desk.do("webhook", "list", *of, "--page-token", first["next_page_token"])["endpoints"]
    assert {e["id"] for e in first["endpoints"] + rest} == {made["id"], second["id"]}
    assert not any(e["secret"] for e in first["endpoints"] + rest)
    call = world.call(tenant=tenant)
    session = world.session(call, api=world.api_of(tenant))
    session.act("end")
    call.hang_up()

    def tried():
        found = desk.do("webhook", "deliveries", "--tenant", tenant["id"], "--endpoint", made["id"], "--state", "pending")["deliveries"]
        return [d for d in found if int(d["attempts"])]
    [delivery] = eventually(tried, 20, "a delivery that nobody accepts")
    assert delivery["event_type"] == "session.ended" and delivery["endpoint_sequence"] == "1" and delivery["next_attempt_at"]
    assert {a["action"] for a in desk.actions(desk.done)} >= {"delivery.list"}
    with pytest.raises(FleetError, match="NOT_FOUND"):
        desk.do("webhook", "deliveries", "--tenant", world.tenant["id"], "--endpoint", made["id"])


def test_a_tenant_is_made_shown_changed_and_suspended(paid, desk):
    world = paid[0]
    made = desk.do("tenant", "create", "--name", "Corner", "--currencies", "EUR,GBP", "--max-amount", 5000)
    desk.recorded("tenant.create", made["id"], made["id"])
    assert desk.do("tenant", "get", "--tenant", made["id"]) == made
    assert made["id"] in [t["id"] for t in desk.do("tenant", "list")["tenants"]]
    [newest] = desk.table("tenant", "list", "--page-size", 1)
    assert newest["id"] == made["id"] and newest["name"] == "Corner"
    assert newest["max_amount_minor"] == "5000" and newest["suspended"] == "no"
    key = desk.do("key", "create", "--tenant", made["id"], "--mode", "test", "--roles", "sessions,finance", "--description", "till")
    desk.recorded("key.create", made["id"], key["id"])
    api = world.api_of({"key": key["secret"]})
    assert api.get("/v1/sessions").get("sessions", []) == []
    changed = desk.do("tenant", "update", "--tenant", made["id"], "--suspended", "true")
    desk.recorded("tenant.update", made["id"], made["id"])
    assert changed["suspended"] and changed["max_amount_minor"] == "5000" and changed["currency_codes"] == ["EUR", "GBP"]
    eventually(lambda: refused(api), 10, "its key stops working")
    [row] = desk.table("key", "list", "--tenant", made["id"])
    assert row == {"id": key["id"], "tenant_id": made["id"], "mode": "test", "roles": "sessions,finance", "description": "till",
                   "expires_at": "", "revoked": "no"}
    assert not desk.do("key", "list", "--tenant", made["id"])["keys"][0]["secret"]
    assert desk.do("key", "revoke", "--key", key["id"])["revoked"]
    desk.recorded("key.revoke", made["id"], key["id"])
    desk.do("tenant", "update", "--tenant", made["id"], "--suspended", "false")
    assert refused(api), "a revoked key works again with its tenant"
    with pytest.raises(FleetError, match="NOT_FOUND.*tenant_not_found"):
        desk.do("tenant", "get", "--tenant", "ten_nobody")


def refused(api):
    answer = requests.get(api.base + "/v1/sessions", headers={"Authorization": f"Bearer {api.key}"}, verify=api.ca, timeout=10)
    return answer.status_code in (401, 403)


def test_an_edge_is_made_listed_and_removed(paid, desk):
    _, tenant, _, _ = paid
    desk.do("edge", "put", "--edge", "sbc-17", "--tenants", tenant["id"], "--offering-side", "agent")
    desk.recorded("edge.put", "", "sbc-17")
    [row] = [r for r in desk.table("edge", "list") if r["edge_id"] == "sbc-17"]
    assert row["tenant_ids"] == tenant["id"] and row["offering_side"] == "agent"
    desk.do("edge", "delete", "--edge", "sbc-17")
    desk.recorded("edge.delete", "", "sbc-17")
    assert "sbc-17" not in [e["edge_id"] for e in desk.do("edge", "list")["edges"]]
    with pytest.raises(FleetError, match="NOT_FOUND.*edge_not_found"):
        desk.do("edge", "delete", "--edge", "sbc-17")
    [relay] = desk.table("relay", "list")
    assert relay["relay_id"].startswith("media-relay-1") and relay["state"] == "ready" and int(relay["call_capacity"]) > 0


def test_a_token_is_shown_without_its_number_and_destroyed_and_the_vault_keeps_a_record(paid, desk):
    world, tenant, _, payment = paid
    records = desk.do("audit", "vault", "--tenant", tenant["id"], "--page-size", 1000)["records"]
    [created] = [r for r in records if r["action"] == "token.create"]
    token = created["object"]
    shown = desk.do("token", "get", "--tenant", tenant["id"], "--token", token)
    assert shown["last_four"] == payment["last_four"] and len(shown["bin"]) == 6 and shown["purpose"] == "TOKEN_PURPOSE_PAYMENT"
    with pytest.raises(FleetError, match="NOT_FOUND"):
        desk.do("token", "get", "--tenant", world.tenant["id"], "--token", token)
    version = desk.do("tenant", "rotate-key", "--tenant", tenant["id"])["key_version"]
    assert int(version) >= 2
    # One that is kept: destroyed by the operator.
    call = world.call(tenant=tenant)
    body = world.body(call, purpose="TOKENISE")
    del body["intent"]["amount"]
    session = Session(world, world.api_of(tenant), body)
    session.start()
    call.type_card(world.card())
    session.ready()
    kept = session.pay()["token_id"]
    call.hang_up()
    assert not desk.do("token", "get", "--tenant", tenant["id"], "--token", kept)["destroyed"]
    desk.do("token", "destroy", "--tenant", tenant["id"], "--token", kept)
    [row] = desk.table("token", "get", "--tenant", tenant["id"], "--token", kept)
    assert row["destroyed"] == "yes" and row["purpose"] == "tokenise"
    records = desk.do("audit", "vault", "--tenant", tenant["id"], "--page-size", 1000)["records"]
    last = {(r["action"], r["object"]): r["actor"] for r in records}
    assert last[("token.destroy", kept)] == last[("key.rotate", "")] == OPERATOR
    assert desk.do("audit", "verify")["intact"]


def test_a_psp_account_is_listed_and_removed_and_unknown_outcomes_are_none(paid, desk):
    _, tenant, _, _ = paid
    [account] = desk.do("psp", "list", "--tenant", tenant["id"])["accounts"]
    assert account["account_id"] == tenant["psp_account"] and account["credential_fields"] == ["api_key"]
    assert desk.do("unknown", "list", "--tenant", tenant["id"])["attempts"] == []
    desk.do("psp", "delete", "--tenant", tenant["id"], "--account", account["account_id"])
    assert desk.do("psp", "list", "--tenant", tenant["id"])["accounts"] == []
    records = desk.do("audit", "gateway", "--page-size", 200)["records"]
    assert [r["action"] for r in records if r["tenant_id"] == tenant["id"]] == ["psp_account.put", "psp_account.delete"]
    assert {r["actor"] for r in records} == {OPERATOR}
