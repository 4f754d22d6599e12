"""Event streams from outside: what one replica did is told by the other, a resumed stream misses and repeats nothing,
a browser's cookie opens its session's stream and no more."""

import json
import socket
import threading

import jsonschema
import pytest
import requests

from world import TOP, Problem, eventually

DOCUMENT = json.loads((TOP / "docs" / "openapi.json").read_text())


class Stream(threading.Thread):
    """One connection, never resumed by itself: (id, event name, data) as they come."""

    def __init__(self, api, path, headers=None, credential=True):
        super().__init__(daemon=True)
        self.seen, self.status, self.over = [], None, False
        headers = {"Accept": "text/event-stream", **(headers or {}), **({"Authorization": f"Bearer {api.key}"} if credential else {})}
        self.response = requests.get(api.base + path, headers=headers, verify=api.ca, stream=True, timeout=(5, 60))
        self.status = self.response.status_code
        self.start()

    def run(self):
        fields = {}
        try:
            for raw in self.response.iter_lines(chunk_size=1):
                name, _, value = raw.decode().partition(":")
                if name in ("id", "event", "data"):
                    fields[name] = value.strip()
                elif not raw and "data" in fields:
                    self.seen.append((fields.get("id"), fields.get("event"), json.loads(fields["data"])))
                    fields = {}
        except (requests.RequestException, AttributeError, ValueError):
            pass  # closed by the test
        self.over = True

    def types(self):
        return [event for _, event, _ in self.seen]

    def cut(self):
        """The client is gone in the middle; close() would wait for the reader's next line."""
        self.response.raw._fp.fp.raw._sock.shutdown(socket.SHUT_RDWR)

    def until(self, event, seconds=10):
        eventually(lambda: event in self.types(), seconds, f"{event} in the stream")
        return self


def other(world):
    """The API at the last replica: another one than world.api's where there are two."""
    return world.apis()[-1]


def test_a_stream_on_one_replica_tells_what_the_other_did_and_ends_with_the_session(world):
    call = world.call()
    session = world.session(call)
    stream = Stream(other(world), f"/v1/sessions/{session.id}/events:stream").until("session.created")
    session.start()
    stream.until("session.capture_started")
    call.type("411")
    eventually(lambda: "session.progress" in stream.types(), what="progress at the other replica")
    session.act("cancel")
    stream.until("session.ended")
    eventually(lambda: stream.over, what="the stream ends by itself")
    told = world.api.get(f"/v1/sessions/{session.id}/events?page_size=200")["events"]
    assert [data["id"] for _, _, data in stream.seen] == [event["id"] for event in told]
    assert [int(n) for n, _, _ in stream.seen] == list(range(1, len(told) + 1))
    event_schema = {"$ref": "#/components/schemas/Event", "components": DOCUMENT["components"]}
    for _, _, data in stream.seen:
        jsonschema.validate(data, event_schema)
    call.hang_up()


def test_a_stream_resumed_at_another_replica_misses_and_repeats_nothing(world):
    session = world.session("no-such-call")
    path = f"/v1/sessions/{session.id}/events:stream"
    first = Stream(world.api, path).until("session.created")
    last, _, _ = first.seen[-1]
    first.cut()
    for amount in ("200", "300"):
        session.act("setIntent", {"intent": {**world.body("x")["intent"], "amount": {"amount_minor": amount, "currency_code": "EUR"}}})
    session.act("end")
    resumed = Stream(other(world), path, {"Last-Event-ID": last}).until("session.ended")
    assert [int(n) for n, _, _ in resumed.seen] == list(range(int(last) + 1, int(last) + 1 + len(resumed.seen)))
    assert "session.created" not in resumed.types()
    # Who has read to the end and comes back, as every EventSource does, is told to stop.
    eventually(lambda: resumed.over, what="the resumed stream ends by itself")
    again = requests.get(other(world).base + path, verify=other(world).ca, timeout=10,
                         headers={"Authorization": f"Bearer {other(world).key}", "Last-Event-ID": resumed.seen[-1][0]})
    assert (again.status_code, again.content) == (204, b"")
    # The tenant's own stream counts by the tenant's numbers.
    at = int(resumed.seen[-1][2]["tenant_sequence"]) - 1
    tenant = Stream(other(world), "/v1/events:stream", {"Last-Event-ID": str(at)}).until("session.ended")
    assert int(tenant.seen[0][0]) == at + 1 and tenant.seen[0][2]["id"] == resumed.seen[-1][2]["id"]
    tenant.cut()


@pytest.mark.parametrize("position", ["x", "-1", "1" * 30])
def test_a_position_that_is_none_is_refused_by_name(world, position):
    session = world.session("no-such-call")
    api = other(world)
    refused = requests.get(f"{api.base}/v1/sessions/{session.id}/events:stream", verify=api.ca, timeout=10,
                           headers={"Authorization": f"Bearer {api.key}", "Last-Event-ID": position})
    assert refused.status_code == 400 and "Last-Event-ID" in refused.text


def test_an_agents_cookie_opens_its_sessions_stream_and_nothing_else(world):
    session, second = world.session("no-such-call"), world.session("no-such-call")
    made = world.api.post(f"/v1/sessions/{session.id}/agentTokens", {"actions": ["AGENT_ACTION_VIEW"], "agent": "amal"})
    api, cookie = other(world), {"Cookie": f"theme=dark; flattone_agent={made['token']}"}

    def get(path, **headers):
        return requests.get(api.base + path, headers={**cookie, **headers}, verify=api.ca, timeout=10)
    stream = Stream(api, f"/v1/sessions/{session.id}/events:stream", {**cookie, "Sec-Fetch-Site": "same-origin"}, credential=False).until("session.created")
    session.act("setIntent", {"intent": world.body("x")["intent"]})
    session.act("end")
    stream.until("session.ended")
    assert get(f"/v1/sessions/{session.id}").status_code == 200
    assert get(f"/v1/sessions/{second.id}").status_code == 404
    assert get(f"/v1/sessions/{second.id}/events:stream").status_code == 404
    assert get("/v1/events:stream").status_code == 403
    assert get("/v1/sessions").status_code == 403
    cross = get(f"/v1/sessions/{session.id}/events:stream", **{"Sec-Fetch-Site": "cross-site"})
    assert (cross.status_code, cross.json()["code"]) == (403, "cross_site")
    # Never in a URL, and no change by a token that may only look.
    assert requests.get(f"{api.base}/v1/sessions/{session.id}?flattone_agent={made['token']}", verify=api.ca, timeout=10).status_code in (400, 401)
    change = requests.post(f"{api.base}/v1/sessions/{session.id}:cancel", json={}, headers={**cookie, "Idempotency-Key": "c"}, verify=api.ca, timeout=10)
    assert (change.status_code, change.json()["code"]) == (403, "action_not_allowed")


def test_a_revoked_key_ends_an_open_stream_within_five_seconds(world):
    tenant = world.fleet.add_tenant("Shop whose key is stolen")
    api = world.api_of(tenant, len(world.rest) - 1)
    session = api.post("/v1/sessions", world.body("no-such-call"))
    stream = Stream(api, f"/v1/sessions/{session['id']}/events:stream").until("session.created")
    world.fleet.ctl("key", "revoke", "--key", tenant["key_id"])
    eventually(lambda: stream.over, 5, "the stream of a revoked key is closed")
    with pytest.raises(Problem):
        api.get("/v1/sessions")
