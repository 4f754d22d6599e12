"""What the tests of money share: sessions that are ready to pay, processes held at a point, and the verdict.

The verdict comes from the sandbox PSP's own ledger: at most one charge per payment, a final event and one webhook for
every charge, numbers without gaps.
"""

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


class MoneyWorld(World):
    """A fleet with gates. Cards are typed by a hand that does not hear: how keys are heard is not what is tested here."""

    def __init__(self, directory, database, **more):
        # A lease of two seconds: a process that is stopped for three has lost its attempts to another.
        flags = {ADAPTER: ["--lease", "2s"], **more.pop("flags", {})}
        super().__init__(directory, database=database, gates=True, flags=flags, **more)

    def __enter__(self):
        super().__enter__()
        self.hand = Hand(self)
        return self

    def take(self, tenant=None):
        """(call, session, card) that is ready to pay."""
        tenant = tenant or self.tenant
        call, card = self.call(tenant=tenant), self.card()
        session = self.session(call, api=self.api_of(tenant))
        session.act("startCapture")
        self.hand.type_card(session, tenant, card)
        return call, session, card

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

    def verdict(self, payment, state, charges, api=None, detour=None, twice=()):
        """The payment ends in `state`, the PSP charged it `charges` times, each event was told once. `detour`: whether its
        outcome was unknown on the way (None: may be). `twice`: events whose webhook was sent a second time."""
        final = self.final(payment, api)
        assert (final["state"], len(self.charges(payment))) == (f"PAYMENT_STATE_{state}", charges), (final, self.charges(payment))
        events = [e["type"] for e in self.tenant_events(api) if e.get("payment_id") == payment["id"]]
        ways = [way + [FINAL_EVENTS[state]] for way, is_detour in ((STRAIGHT, False), (DETOUR, True)) if detour in (None, is_detour)]
        assert events in ways, events
        self.receiver.wait(payment["id"], [FINAL_EVENTS[state]], 30)
        eventually(lambda: self._webhooks_match(payment, events, twice), 20, f"a webhook for each of {events}, twice for {list(twice)}")

    def _webhooks_match(self, payment, events, twice):
        deliveries = self.deliveries_of(payment)
        sent = [d["body"]["type"] for d in deliveries]
        ids = {d["body"]["type"]: set() for d in deliveries}
        for d in deliveries:
            ids[d["body"]["type"]].add((d["id"], d["body"]["sequence"]))
        assert all(len(one) == 1 for one in ids.values()), "a repeat has another id or number"
        wanted = {event: 2 if event in twice else 1 for event in events}
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
        charges = self.sandbox("/_sandbox/ledger")["charges"]
        paid = [c["payment_id"] for c in charges]
        assert len(paid) == len(set(paid)), "a payment was charged twice"
        told = [e["payment_id"] for e in events if e["type"] == "payment.captured"]
        ours = {e["payment_id"] for e in events if e.get("payment_id")}
        alive = [c["payment_id"] for c in charges if c["state"] not in ("voided", "refunded") and c["payment_id"] in ours]
        assert sorted(alive) == sorted(told), "charges and payment.captured events differ"
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


__all__ = ["ADAPTER", "ORCHESTRATOR", "MoneyWorld", "still"]
