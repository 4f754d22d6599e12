"""The same request at once, on every replica: one change, one answer, and no secret is kept for the repeats."""

import concurrent.futures
import threading
import uuid

import pytest

from fleet import ORCHESTRATOR
from world import Problem

CLIENTS = 8
# Nobody listens there: the receiver of the other tests knows one secret, and its refusals count.
ELSEWHERE = "https://127.0.0.1:1/elsewhere"


def at_once(world, path, body, api_of=None):
    """CLIENTS posts with one idempotency key, spread over the replicas: (answers, problems)."""
    key, barrier = str(uuid.uuid4()), threading.Barrier(CLIENTS)

    def post(n):
        api = api_of(n) if api_of else world.api_of(world.tenant, n)
        barrier.wait()
        try:
            return api.post(path, body, idempotency_key=key)
        except Problem as problem:
            return problem
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        got = list(pool.map(post, range(CLIENTS)))
    problems = [g for g in got if isinstance(g, Problem)]
    assert all((p.status, p.problem["code"]) == (409, "idempotency_in_progress") for p in problems), [str(p) for p in problems]
    answers = [g for g in got if not isinstance(g, Problem)]
    assert answers, "nobody was answered"
    # Later, anywhere: the kept answer.
    return answers, (api_of(0) if api_of else world.apis()[-1]).post(path, body, idempotency_key=key)


def stored(world):
    """Every byte of the orchestrator's database that a client's secret could be in."""
    if world.database == "postgresql":
        tables = ("idempotency", "webhook_endpoint", "agent_token", "api_key", "event")
        return "".join(world.fleet.sql(f"SELECT t::text, encode({column}, 'escape') FROM {table} t", url=url_of(world)) for table, column in
                       zip(tables, ("answer", "secret", "''::bytea", "body", "body")))
    # Read as files, never through SQLite: a second opener in this process would end the locks of the first.
    path = world.fleet.dir / "data" / f"{ORCHESTRATOR}.db"
    return b"".join(p.read_bytes() for p in (path, path.with_name(path.name + "-wal")) if p.exists()).decode("latin-1")


def url_of(world):
    return world.fleet.databases[ORCHESTRATOR]


def test_one_session(world):
    body = world.body(f"call-{uuid.uuid4()}")
    answers, kept = at_once(world, "/v1/sessions", body)
    assert {a["id"] for a in answers} == {kept["id"]}
    listed = world.api.get(f"/v1/sessions?call_reference={body['call_reference']}")["sessions"]
    assert [s["id"] for s in listed] == [kept["id"]]
    assert [e["type"] for e in world.api.get(f"/v1/sessions/{kept['id']}/events")["events"]] == ["session.created"]


def test_one_webhook_endpoint_whose_secret_is_shown_once_and_kept_nowhere(world):
    answers, kept = at_once(world, "/v1/webhookEndpoints", {"url": ELSEWHERE, "event_types": ["session.ended"]})
    assert {a["id"] for a in answers} == {kept["id"]}
    secrets = [a["secret"] for a in answers if a.get("secret")]
    assert len(secrets) == 1 and secrets[0].startswith("whsec_") and kept["secret"] == ""
    assert kept["id"] in stored(world) and secrets[0].removeprefix("whsec_") not in stored(world)
    world.api._call("DELETE", f"/v1/webhookEndpoints/{kept['id']}")


@pytest.mark.parametrize("path, prefix, body", [("agentTokens", "agt_", {"agent": "amal"}), (":rotateSecret", "whsec_", {})])
def test_one_secret_of_each_kind(world, path, prefix, body):
    if path == "agentTokens":
        where = f"/v1/sessions/{world.session('no-such-call').id}/agentTokens"
    else:
        endpoint = world.api.post("/v1/webhookEndpoints", {"url": ELSEWHERE, "event_types": ["session.ended"]})
        where = f"/v1/webhookEndpoints/{endpoint['id']}:rotateSecret"
    answers, kept = at_once(world, where, body)
    field = "token" if prefix == "agt_" else "secret"
    secrets = [a[field] for a in answers if a.get(field)]
    assert len(secrets) == 1 and secrets[0].startswith(prefix) and kept[field] == ""
    assert secrets[0].removeprefix(prefix) not in stored(world)


def test_one_tenant_and_one_key_of_a_platform(world):
    platform = world.fleet.ctl("tenant", "create", "--name", "Platform at once", "--platform", "true")
    secret = world.fleet.ctl("key", "create", "--tenant", platform["id"], "--mode", "test", "--roles", "platform")["secret"]

    def api_of(n):
        return world.api_of({"key": secret}, n)
    answers, kept = at_once(world, "/v1/tenants", {"name": "Corner shop"}, api_of)
    assert {a["id"] for a in answers} == {kept["id"]}
    assert [t["id"] for t in api_of(0).get("/v1/tenants")["tenants"]] == [kept["id"]]
    keys, again = at_once(world, f"/v1/tenants/{kept['id']}/apiKeys", {"roles": ["API_KEY_ROLE_READ"]}, api_of)
    shown = [k["secret"] for k in keys if k["secret"]]
    assert len(shown) == 1 and again["secret"] == "" and {k["id"] for k in keys} == {again["id"]}
    assert shown[0].removeprefix("ft_test_") not in stored(world)
    assert world.api_of({"key": shown[0]}, 1).get("/v1/sessions")["sessions"] == []


def test_different_keys_at_once_on_one_session_leave_numbers_without_gaps(world):
    session = world.session("no-such-call")

    def intent(n):
        try:
            return world.api_of(world.tenant, n).post(f"/v1/sessions/{session.id}:setIntent", {"intent": world.body("x", amount_minor=100 + n)["intent"]})
        except Problem as problem:
            return problem
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        got = list(pool.map(intent, range(24)))
    assert not [str(g) for g in got if isinstance(g, Problem)]
    events = world.api.get(f"/v1/sessions/{session.id}/events?page_size=200")["events"]
    assert [int(e["session_sequence"]) for e in events] == list(range(1, len(events) + 1))
    world.assert_gap_free()
