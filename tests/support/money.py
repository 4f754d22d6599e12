"""What the tests of money share: sessions that are ready to pay, processes held at a point, and the verdict.

The verdict comes from the sandbox PSP's own ledger: at most one charge per payment, a final event and one webhook for
every charge, numbers without gaps.
"""

import contextlib
import threading
import time

import requests

from fleet import ADAPTER, ORCHESTRATOR
from hand import Hand
from world import Problem, World, eventually

# How a payment's events may read; UNKNOWN is always followed by how it was resolved.
STRAIGHT = ["payment.processing"]
DETOUR = ["payment.processing", "payment.unknown", "payment.resolved"]
FINAL_EVENTS = {"CAPTURED": "payment.captured", "VOIDED": "payment.voided", "FAILED": "payment.failed", "DECLINED": "payment.declined"}
MONEY_EVENTS = ("payment.authorised", "payment.captured", "payment.voided", "payment.refunded")
DEADLINE = 5  # seconds that SIGTERM gives the orchestrator
PSPS = {"sandbox": ("sandbox", "api_key", "sbx_"), "stripe": ("sandbox-stripe", "secret_key", "sk_test_")}


class MoneyWorld(World):
    """A fleet with gates. Cards are typed by a hand that does not hear: how keys are heard is not what is tested here."""

    def __init__(self, directory, database, **more):
        # A lease of two seconds: a process that is stopped for three has lost its attempts to another.
        flags = {ADAPTER: ["--lease", "2s"], ORCHESTRATOR: ["--shutdown-deadline", f"{DEADLINE}s"], **more.pop("flags", {})}
        super().__init__(directory, database=database, gates=True, flags=flags, **more)
        self._read = []  # the tenant's events so far

    def __enter__(self):
        super().__enter__()
        self.hand = Hand(self)
        return self

    def take(self, tenant=None, **more):
        """(call, session, card) that is ready to pay."""
        tenant = tenant or self.tenant
        call, card = self.call(tenant=tenant), self.card()
        session = self.session(call, api=self.api_of(tenant), **more)
        session.act("startCapture")
        self.hand.type_card(session, tenant, card)
        return call, session, card

    @contextlib.contextmanager
    def at_psp(self, psp):
        """The tenant authorises at this PSP meanwhile: its newest account counts. What it authorised before stays where it is."""
        self._account(psp)
        try:
            yield
        finally:
            self._account("sandbox")

    def _account(self, psp):
        name, field, prefix = PSPS[psp]
        secret = self.fleet.dir / "secrets" / f"money.{psp}"
        secret.write_text(prefix + self.tenant["id"].replace("_", ""))
        self.fleet.ctl("psp", "put", "--tenant", self.tenant["id"], "--mode", "test", "--psp", name, "--credential", f"{field}=@{secret}")

    @property
    def several(self):
        return self.replicas > 1

    def let_go(self):
        """Whatever a test left held, stopped or dead goes on, so that one failure stays one."""
        self.sandbox("/_sandbox/faults", method="DELETE")
        self.sandbox("/_sandbox/release", {})
        for process in self.fleet.processes.values():
            for armed in (self.fleet.dir / "gates" / process.name).glob("*.hold"):
                process.release(armed.stem)
            if process.alive:
                process.cont()
            else:
                process.start()

    # --- held processes ---------------------------------------------------------------------------------------

    def hold(self, binary, gate):
        for process in self.fleet.all(binary):
            process.hold(gate)

    def reached(self, binary, gate, seconds=30):
        """The process that came to the gate; the others are let through."""
        def look():
            return next((p for p in self.fleet.all(binary) if p._gate(gate, "reached").exists()), None)
        victim = eventually(look, seconds, f"a {binary} at {gate}")
        for other in self.fleet.all(binary):
            if other is not victim:
                other.release(gate)
        return victim

    def holder(self, held):
        """The adapter whose connection the PSP holds: the one with an attempt in flight."""
        holders = [p for p in self.fleet.all(ADAPTER) if p.metric("flattone_gateway_attempts_in_flight") > 0]
        assert len(holders) == 1, (held, holders)
        return holders[0]

    def held_by_psp(self):
        [held] = eventually(lambda: self.sandbox("/_sandbox/held")["held"], 20, "the PSP holds the request")
        return held

    # --- looking ----------------------------------------------------------------------------------------------

    def api_beside(self, victim):
        """The API at a replica that is not the victim, where there is one."""
        others = [n for n, p in enumerate(self.orchestrators()) if p is not victim]
        return self.api_of(self.tenant, others[0] if others else 0)

    def pay_in_background(self, session):
        """A platform's pay that may be cut off: the tests look at the outcome by GET."""
        def run():
            try:
                session.pay()
            except (requests.RequestException, Problem):  # the process dies under it: that is what is being tested
                pass
        threading.Thread(target=run, daemon=True).start()

    def the_payment(self, session, api=None):
        def look():
            try:
                payments = (api or self.api).get(f"/v1/sessions/{session.id}").get("payments", [])
            except requests.RequestException:
                return None
            return payments[0] if payments else None
        return eventually(look, 30, "the payment")

    def final(self, payment, api=None, seconds=40):
        """The payment once nobody has to ask about it any more."""
        def look():
            try:
                now = (api or self.api).get(f"/v1/payments/{payment['id']}")
            except (requests.RequestException, Problem):
                return None  # a replica that is down just now
            return now if now["state"] not in ("PAYMENT_STATE_PROCESSING", "PAYMENT_STATE_UNKNOWN") else None
        return eventually(look, seconds, "a final state")

    def deliveries_of(self, payment):
        return [d for d in list(self.receiver.deliveries) if d["body"].get("payment_id", d["body"].get("data", {}).get("payment_id")) == payment["id"]]

    # --- verdicts ---------------------------------------------------------------------------------------------

    def verdict(self, payment, state, charges, api=None, detour=None, twice=(), perhaps_twice=()):
        """The payment ends in `state`, the PSP charged it `charges` times, each event was told once. `detour`: whether its
        outcome was unknown on the way (None: may be). `twice`: events whose webhook was sent a second time; `perhaps_twice`: those
        that may have been on their way when their sender was hit, and then go out again under the same id."""
        final = self.final(payment, api)
        assert (final["state"], len(self.charges(payment))) == (f"PAYMENT_STATE_{state}", charges), (final, self.charges(payment))
        ways = [way + [FINAL_EVENTS[state]] for way, is_detour in ((STRAIGHT, False), (DETOUR, True)) if detour in (None, is_detour)]
        self.told(payment, ways, api, twice, perhaps_twice)

    def events_of(self, payment, api=None):
        """The types of its events in their order; what was read before is not read again."""
        self._read += self.tenant_events(api, after=self._read[-1]["tenant_sequence"] if self._read else 0)
        return [e["type"] for e in self._read if e.get("payment_id") == payment["id"]]

    def told(self, payment, ways, api=None, twice=(), perhaps_twice=()):
        """Its events read as one of `ways`, and each went out as a webhook once."""
        events = self.events_of(payment, api)
        assert events in ways, events
        self.receiver.wait(payment["id"], [events[-1]], 30)
        eventually(lambda: self._webhooks_match(payment, events, twice, perhaps_twice), 20, f"a webhook for each of {events}, twice for {list(twice)}")

    def _webhooks_match(self, payment, events, twice, perhaps_twice):
        deliveries = self.deliveries_of(payment)
        sent = [d["body"]["type"] for d in deliveries]
        ids = {d["body"]["type"]: set() for d in deliveries}
        for d in deliveries:
            ids[d["body"]["type"]].add((d["id"], d["body"]["sequence"]))
        assert all(len(one) == 1 for one in ids.values()), "a repeat has another id or number"
        wanted = {event: 2 if event in twice else 1 for event in events}
        for event in perhaps_twice:
            wanted[event] = max(1, min(2, sent.count(event)))
        assert all(sent.count(event) <= count for event, count in wanted.items()), sent
        return {event: sent.count(event) for event in set(sent)} == wanted

    def finish(self, call, session):
        """Hangs up and waits until finance has heard of it, so that no webhook of this session meets the next gate."""
        call.hang_up()
        self.receiver.wait(session.id, ["session.ended"], 40)
        session.close()

    def last_judgement(self):
        """After all of it: every charge has its final event, nothing is missing, nothing is there twice."""
        events = self.assert_gap_free()
        ledger = self.sandbox("/_sandbox/ledger")
        paid = [c["payment_id"] for c in ledger["charges"]]
        assert len(paid) == len(set(paid)), "a payment was charged twice"
        told = {}  # what was told of each payment's money, in order
        for event in events:
            if event.get("payment_id"):
                told.setdefault(event["payment_id"], []).extend([event["type"]] if event["type"] in MONEY_EVENTS else [])
        charges = [c for c in ledger["charges"] if c["payment_id"] in told]  # of this tenant
        for charge in charges:
            assert told[charge["payment_id"]][-1:] == [f"payment.{charge['state']}"], (charge, told[charge["payment_id"]])
            refunds = [r for r in ledger["refunds"] if r["payment"] == charge["payment"]]
            assert told[charge["payment_id"]].count("payment.refunded") == len(refunds), (charge, refunds)
        moved = {payment for payment, types in told.items() if types and types[-1] != "payment.voided"}
        assert moved <= {c["payment_id"] for c in charges}, "told of money that the PSP does not know"
        last = int(self.api.get(f"/v1/webhookEndpoints/{self.endpoint['id']}")["last_sequence"])
        eventually(lambda: {int(d["body"]["sequence"]) for d in list(self.receiver.deliveries)} == set(range(1, last + 1)), 60,
                   f"webhooks 1 to {last} without a gap")
        by_id = {}
        for d in self.receiver.deliveries:
            by_id.setdefault(d["id"], set()).add(int(d["body"]["sequence"]))
        assert all(len(numbers) == 1 for numbers in by_id.values()) and len(by_id) == last
        assert not self.receiver.refused, self.receiver.refused


def still(process):
    """Stops a process for three seconds, longer than a lease lasts."""
    process.stop()
    time.sleep(3)


__all__ = ["ADAPTER", "DEADLINE", "DETOUR", "ORCHESTRATOR", "STRAIGHT", "MoneyWorld", "still"]
