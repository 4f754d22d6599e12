"""A fleet with callers, tenants, a webhook receiver and the PSP's ledger: what the tests from outside act on.

    with World(directory, database="sqlite") as world:
        call = world.call()                               # a call that is up
        session = world.session(call, amount_minor=1999)  # created by REST
        session.start(); call.type_card(card); session.ready()
        payment = session.pay()
        assert world.charges(payment) == [...]
"""

import itertools
import json
import pathlib
import random
import subprocess
import time
import urllib.request

import pytest
import requests

from caller import Call as PlainCall
from cards import card as make_card
from fleet import ORCHESTRATOR, TOP, Fleet
from rest import Api, Events, Problem
from webhooks import Receiver

POSTGRESQL = pathlib.Path("/usr/lib/postgresql/15/bin/postgres")

# The parameter of a fixture that gives a fleet on each database.
DATABASES = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("postgresql", id="postgresql", marks=[
        pytest.mark.postgresql,
        pytest.mark.skipif(not POSTGRESQL.exists(), reason="PostgreSQL 15 is not installed; tools/setup installs it")]),
]
_numbers = itertools.count(1)


def eventually(condition, seconds=10, what="condition"):
    """Polls until `condition` gives something true; what it gave."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class View:
    """What tools/demo.d's Call wants to know of a fleet and a tenant."""

    def __init__(self, fleet, tenant, relay=0):
        end = fleet.endpoints()
        self.relay = end["relays"][relay]
        self.edge_cert, self.edge_key, self.ca = (end["edge"][k] for k in ("cert", "key", "ca"))
        self.tenant = tenant["id"]


class Call(PlainCall):
    def tell(self, command):
        """A command of tools/call's --control, without waiting for it."""
        self._tell(command)

    def up(self):
        return self._process.poll() is None

    def typing(self):
        """A command is still being carried out."""
        return self._answers.empty()

    def let_go(self):
        if not self._process.stdin.closed:
            self._process.stdin.close()

    def kill(self, seconds=0):
        """Ends it, after giving it this long to end by itself."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            super().kill()

    def type_card(self, card, fields=3, pause=0.5):
        """The card's fields one after the other, each ended by '#' (which is ignored where the length ends it)."""
        for value in card[:fields]:
            self.type(value + "#")
            time.sleep(pause)


class Session:
    """One session by the REST API, with its event stream."""

    def __init__(self, world, api, body, key=None):
        self.world, self.api = world, api
        self.created = api.post("/v1/sessions", body, idempotency_key=key)
        self.id = self.created["id"]
        self.events = Events(api, self.id, lambda event: None)

    def act(self, action, body=None, **more):
        return self.api.post(f"/v1/sessions/{self.id}:{action}", body, **more)

    def get(self):
        return self.api.get(f"/v1/sessions/{self.id}")

    def start(self):
        answer = self.act("startCapture")
        self.started = time.monotonic()
        return answer

    def ready(self, seconds=15):
        return self.events.wait_type("session.ready", seconds)

    def pay(self, wait_seconds=30, **more):
        return self.act("pay", {"wait_seconds": wait_seconds}, **more)

    def field(self, name):
        """The newest progress of a field, by GET."""
        progress = self.get().get("progress", {})
        return next((f for f in progress.get("fields", []) if f["field"] == f"CARD_FIELD_{name}"), {})

    def await_count(self, name, count, seconds=10):
        return eventually(lambda: self.field(name).get("count", 0) == count, seconds, f"{name} has {count} keys")

    def close(self):
        self.events.stopped = True


class World:
    def __init__(self, directory, database="sqlite", gates=False, psp="sandbox", replicas=None, **more):
        if replicas is None:
            replicas = 2 if database == "postgresql" else 1
        self.dir = pathlib.Path(directory)
        self.fleet = Fleet(self.dir / "fleet", database=database, replicas=replicas, gates=gates, **more)
        self.database, self.replicas, self.psp = database, replicas, psp
        self.random = random.Random(20261123)
        self.calls = []

    def __enter__(self):
        self.fleet.up()
        end = self.fleet.endpoints()
        self.tenant = self.fleet.tenants[0]
        self.rest, self.public_ca = end["rest"], end["public_ca"]
        self.psp_admin = end["psp"]["admin"]
        self.api = self.api_of(self.tenant)
        self.receiver = Receiver(end["webhook"]["cert"], end["webhook"]["key"])
        self.endpoint = self.api.post("/v1/webhookEndpoints", {"url": self.receiver.url})
        self.receiver.secret = self.endpoint["secret"]
        self._silence()
        return self

    def __exit__(self, failure, *_):
        self._let_go_of_all()
        for call in self.calls:
            call.let_go()  # hung up, since a relay that is told to end waits for its calls
        for call in self.calls:
            call.kill(seconds=5)
        self.fleet.down(seconds=30)  # beyond every shutdown deadline but the adapter's, which has nothing left to wait for
        self.receiver.close()  # not before: a webhook on its way to one that is silent is waited for
        faults = self.fleet.faults()
        assert failure is not None or not faults, "\n".join(faults)

    def _let_go_of_all(self):
        """What a test has left held, at a gate or by the PSP, would keep a process from ending."""
        for gate in (self.fleet.dir / "gates").glob("*/*.hold"):
            self.fleet[gate.parent.name].release(gate.stem)
        try:
            self.sandbox("/_sandbox/faults", method="DELETE")
            self.sandbox("/_sandbox/release", {})
        except OSError:
            pass  # the PSP is down

    def _silence(self):
        """Two sounds for calls in which only keys matter: soft noise, so that nothing is digital silence."""
        import numpy as np
        from voices import write
        generator = np.random.default_rng(1)
        self.quiet = self.dir / "quiet.wav"
        write(self.quiet, generator.normal(0, 20, 8000 * 60).astype("<i2"))

    def api_of(self, tenant, replica=0):
        return Api(self.rest[replica % len(self.rest)], tenant["key"], self.public_ca)

    def apis(self):
        """The same tenant's API at every replica of the orchestrator."""
        return [self.api_of(self.tenant, n) for n in range(len(self.rest))]

    def card(self, prefix="4", length=16):
        return make_card(self.random, prefix, length)

    def call(self, keys="inband", tenant=None, extra=(), out=None, relay=0):
        tenant = tenant or self.tenant
        number = next(_numbers)
        out = out or self.dir / "calls"
        out.mkdir(exist_ok=True)
        call = Call(self.fleet.program("call"), View(self.fleet, tenant, relay), f"t{number}", out, keys, self.quiet, self.quiet, extra)
        self.calls.append(call)
        return call

    def hang_up_all(self):
        """Calls that a test has left behind, and processes that it has stopped or killed."""
        for process in self.fleet.processes.values():
            if process.alive:
                process.cont()
            else:
                process.start()
        for call in self.calls:
            if call.up():
                call.hang_up()
        self.calls.clear()

    def body(self, call, amount_minor=1999, currency="EUR", purpose="CHARGE", **capture):
        body = {"call_reference": call if isinstance(call, str) else call.reference, "agent": "amal",
                "intent": {"order_reference": f"order-{next(_numbers)}", "purpose": f"PURPOSE_{purpose}",
                           "amount": {"amount_minor": str(amount_minor), "currency_code": currency}}}
        if capture:
            body["capture"] = capture
        return body

    def session(self, call, api=None, key=None, **more):
        return Session(self, api or self.api, self.body(call, **more), key)

    def ready_session(self, call=None, card=None, keys="inband", **more):
        """A session whose card has been typed: (call, session, card)."""
        call = call or self.call(keys)
        card = card or self.card()
        session = self.session(call, **more)
        session.start()
        call.type_card(card)
        session.ready()
        return call, session, card

    def sandbox(self, path, body=None, method=None):
        request = urllib.request.Request(self.psp_admin + path, method=method or ("POST" if body is not None else "GET"),
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or "{}")

    def fault(self, name, **more):
        return self.sandbox("/_sandbox/faults", {"fault": name, **more})

    def charges(self, payment):
        """The PSP's charges for one of our payments: money that moved."""
        payment_id = payment if isinstance(payment, str) else payment["id"]
        return self.sandbox(f"/_sandbox/ledger?payment_id={payment_id}")["charges"]

    def payment(self, payment):
        payment_id = payment if isinstance(payment, str) else payment["id"]
        return self.api.get(f"/v1/payments/{payment_id}")

    def await_payment(self, payment, states, seconds=40):
        """The payment once it is in one of these states ("CAPTURED", …)."""
        wanted = {f"PAYMENT_STATE_{s}" for s in ([states] if isinstance(states, str) else states)}

        def look():
            try:
                now = self.payment(payment)
            except (requests.ConnectionError, Problem):
                return None  # a replica that is down just now
            return now if now["state"] in wanted else None
        return eventually(look, seconds, f"payment in {sorted(wanted)}")

    def tenant_events(self, api=None, after=0):
        """Every event of the tenant so far, by GET, in order; with `after` those behind that number."""
        events = []
        while True:
            page = (api or self.api).get(f"/v1/events?after={after}&page_size=200")
            if not page.get("events"):
                return events
            events += page["events"]
            after = page["next_after"]

    def assert_gap_free(self):
        """Numbers of events (per tenant, per session) and of verified webhooks have no gaps."""
        events = self.tenant_events()
        assert [int(e["tenant_sequence"]) for e in events] == list(range(1, len(events) + 1))
        sessions = {}
        for event in events:
            if event.get("session_id"):
                sessions.setdefault(event["session_id"], []).append(int(event["session_sequence"]))
        for numbers in sessions.values():
            assert numbers == list(range(1, len(numbers) + 1))
        return events

    def orchestrators(self):
        return self.fleet.all(ORCHESTRATOR)


__all__ = ["POSTGRESQL", "TOP", "Problem", "Session", "World", "eventually"]
