"""Capture, void and refund (and Stripe's confirmation) of many payments, each held at a point of its own, so that one blow to
the adapter hits every point at once. What became of each is judged by the PSP's ledger, the events and the payment.

    changes = Changes(world)
    changes.hold()          # at both PSPs, all on one adapter
    changes.hit("kill")     # or "stop"; the adapter comes back
    changes.judge()
"""

import concurrent.futures
import threading

import requests

from fleet import ADAPTER
from money import DETOUR, STRAIGHT, still
from rest import Problem
from world import eventually

# Where a change is held: at a gate of the adapter (libs/base/gate.h), or by the sandbox PSP.
TOLD, ANSWERED, CONNECTED, COMMITTED = GATES = ("orchestrator_not_told", "answer_not_committed", "connected", "attempt_committed")
CHARGED, READ = FAULTS = ("hold", "hold_before")  # done without an answer; read and not done
# Every change in the order of asking: none passes a gate at which another is held. At "connected" there is room for two, since
# the threads that pass it also resolve names.
PLAN = [
    (TOLD, "capture", "sandbox"), (TOLD, "void", "stripe"), (TOLD, "refund", "stripe"),
    (ANSWERED, "capture", "stripe"), (ANSWERED, "void", "sandbox"), (ANSWERED, "refund", "sandbox"), (ANSWERED, "authorise", "stripe"),
    (CHARGED, "capture", "sandbox"), (CHARGED, "void", "stripe"), (CHARGED, "refund", "stripe"), (CHARGED, "authorise", "stripe"),
    (READ, "capture", "stripe"), (READ, "void", "sandbox"), (READ, "refund", "sandbox"),
    (CONNECTED, "authorise", "stripe"), (CONNECTED, "refund", "sandbox"),
    (COMMITTED, "capture", "sandbox"), (COMMITTED, "void", "stripe"), (COMMITTED, "refund", "stripe"),
]
AMOUNTS = {"capture": 1500, "refund": 700}  # of 1999: twice would show
DONE = {"authorise": "CAPTURED", "capture": "CAPTURED", "void": "VOIDED", "refund": "REFUNDED"}
BEFORE = {"capture": ["payment.processing", "payment.authorised"], "void": ["payment.processing", "payment.authorised"],
          "refund": ["payment.processing", "payment.captured"]}


class Change:
    def __init__(self, world, point, operation, psp):
        self.world, self.point, self.operation, self.psp, self.payment = world, point, operation, psp, None

    def __repr__(self):
        return f"{self.operation} at {self.psp}, {self.point}"

    def pay(self, call, session):
        """The payment that is to be changed: one more of this session, whose caller types again."""
        purpose = "CHARGE" if self.operation == "refund" else "AUTHORISE"
        session.act("setIntent", {"intent": self.world.body(call, purpose=purpose)["intent"]})
        session.act("startCapture")
        self.world.hand.type_card(session, self.world.tenant, self.world.card())
        self.payment = session.pay()
        assert self.payment["state"] == ("PAYMENT_STATE_CAPTURED" if purpose == "CHARGE" else "PAYMENT_STATE_AUTHORISED"), self.payment

    def ask(self, session=None):
        """Asks for the change, in the background; `session`: is ready to pay, for an authorisation."""
        if self.point in FAULTS:
            whose = {"reference": self.payment["id"]} if self.payment else {}
            self.world.fault(self.point, operation=self.operation, count=1, **whose)
        if self.operation == "authorise":
            self.world.pay_in_background(session)
            self.payment = self.world.the_payment(session)
        else:
            threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self):
        try:
            self.do()
        except (requests.RequestException, Problem):  # the adapter dies under it, or sleeps
            pass

    def do(self):
        body = {"amount_minor": str(AMOUNTS[self.operation])} if self.operation in AMOUNTS else {}
        return self.world.api.post(f"/v1/payments/{self.payment['id']}:{self.operation}", body)

    def now(self):
        return self.world.payment(self.payment)

    def moved(self):
        """Whether the PSP did it, by its own ledger; never twice, and nothing else."""
        ledger = self.world.sandbox(f"/_sandbox/ledger?payment_id={self.payment['id']}")
        if self.operation == "authorise":
            assert len(ledger["charges"]) <= 1, (self, ledger)
            return len(ledger["charges"]) == 1
        [charge] = ledger["charges"]
        refunds = [r["amount_minor"] for r in ledger["refunds"]]
        assert refunds in ([], [AMOUNTS["refund"]]) and charge["refunded_minor"] == sum(refunds), (self, ledger)
        captured = {"capture": (0, AMOUNTS["capture"]), "void": (0,), "refund": (1999,)}[self.operation]
        assert charge["captured_minor"] in captured, (self, ledger)
        assert self.operation == "void" or charge["state"] != "voided", (self, ledger)
        return {"capture": charge["captured_minor"] > 0, "void": charge["state"] == "voided", "refund": refunds != []}[self.operation]

    def ended(self):
        """"done", "undone" (an authorisation that was fenced), or nothing yet."""
        state = self.now()["state"].removeprefix("PAYMENT_STATE_")
        if state == DONE[self.operation]:
            return "done"
        return "undone" if (self.operation, state) == ("authorise", "VOIDED") else None

    def verdict(self, end):
        assert self.moved() == (end == "done"), (self, end)
        if self.operation == "authorise":
            ways = [way + [f"payment.{'captured' if end == 'done' else 'voided'}"] for way in (STRAIGHT, DETOUR)]
        else:
            ways = [BEFORE[self.operation] + ([f"payment.{DONE[self.operation].lower()}"] if end == "done" else [])]
        self.world.told(self.payment, ways)
        now = self.now()
        if end == "done" and self.operation in AMOUNTS:
            assert now["captured_minor" if self.operation == "capture" else "refunded_minor"] == str(AMOUNTS[self.operation]), (self, now)

    def allowed(self, how, several):
        """How it may end. Nobody can fence a capture or refund at a PSP: one that was not seen there waits for an operator."""
        alone = how == "stop" and not several  # it wakes up and goes on, or finds that it has lost its lease
        if self.operation == "void" or self.point in (TOLD, ANSWERED, CHARGED):
            return {"done"}
        if self.operation == "authorise":
            return {"done", "undone"} if alone else {"undone"}
        if self.point == READ:
            return {"done"}
        if how == "kill" or (self.point == COMMITTED and several):
            return {"undecided"}
        return {"done", "undecided"}


class Changes:
    def __init__(self, world):
        self.world = world
        self.all = [Change(world, *plan) for plan in PLAN]
        self.calls = []  # (call, session)

    def at(self, *points):
        return [c for c in self.all if c.point in points]

    def _take(self):
        call, session, _ = self.world.take()
        self.calls.append((call, session))
        return call, session

    def _prepare(self, psp):
        call = self.world.call()
        session = self.world.session(call)
        self.calls.append((call, session))
        for change in self.all:
            if change.psp == psp and change.operation != "authorise":
                change.pay(call, session)

    def hold(self):
        """Every change is asked for and held at its point, all of them by one adapter."""
        self._prepare("sandbox")
        with self.world.at_psp("stripe"):
            self._prepare("stripe")
            ready = {c: self._take()[1] for c in self.all if c.operation == "authorise"}
            self.victim, *self.others = self.world.fleet.all(ADAPTER)
            for other in self.others:
                other.kill()
            held = 0
            for point in dict.fromkeys(c.point for c in self.all):
                if point in GATES:
                    self.victim.hold(point)
                for change in self.at(point):
                    change.ask(ready.get(change))
                    held += 1
                    eventually(lambda: self.victim.metric("flattone_gateway_attempts_in_flight") == held, 20, f"{change} is under way")
                self._await(point)
            for other in self.others:
                other.start()

    def _await(self, point):
        if point in GATES:
            self.victim.wait_reached(point)
        if point in (TOLD, ANSWERED, CHARGED):
            eventually(lambda: all(c.moved() for c in self.at(point)), 20, f"the PSP did what is held at {point}")
        if point in FAULTS:
            wanted = len(self.at(*FAULTS) if point == READ else self.at(CHARGED))
            eventually(lambda: len(self.world.sandbox("/_sandbox/held")["held"]) == wanted, 20, f"held by the PSP: {point}")
        if point in (READ, CONNECTED, COMMITTED):
            assert not any(c.moved() for c in self.at(point)), "held at the right moment"

    def hit(self, how):
        """Kills or stops the adapter, lets everything go on, and brings it back; another replica meanwhile ends what it can."""
        self.how = how
        self.victim.kill() if how == "kill" else still(self.victim)
        if self.others:
            for change in self.all:
                if change.operation in ("void", "authorise") or change.point in (TOLD, ANSWERED, CHARGED):
                    eventually(change.ended, 40, f"{change} is ended by the other replica")
            self.world.sandbox("/_sandbox/release", {})
        for gate in GATES:
            self.victim.release(gate)
        self.victim.start() if how == "kill" else self.victim.cont()
        self.world.sandbox("/_sandbox/release", {})
        eventually(lambda: not self.world.sandbox("/_sandbox/held")["held"], 10, "the PSP has let go")
        for adapter in self.world.fleet.all(ADAPTER):
            eventually(lambda: adapter.metric("flattone_gateway_attempts_in_flight") == 0, 30, "all attempts have ended")

    def unknown(self):
        """The attempts that an operator is shown: {payment: attempt}."""
        listed = self.world.fleet.ctl("unknown", "list", "--tenant", self.world.tenant["id"], "--page-size", 100)
        return {a["payment_id"]: a for a in listed.get("attempts", [])}

    def judge(self):
        undecided = []
        for change in self.all:
            allowed = change.allowed(self.how, bool(self.others))
            end = self._end_of(change, "undecided" in allowed)
            assert end in allowed, (change, end, allowed)
            change.verdict(end)
            if end == "undecided":
                undecided.append(change)
        for change in undecided:
            self._decide(change)

    def _end_of(self, change, may_wait):
        def look():
            end = change.ended()
            return end or ("undecided" if may_wait and change.payment["id"] in self.unknown() else None)
        return eventually(look, 40, f"the end of {change}")

    def _decide(self, change):
        """An operator has looked: nothing was done. Only then the change can be asked for anew, and it is done once."""
        attempt = self.unknown()[change.payment["id"]]
        assert attempt["operation"] == f"OPERATION_{change.operation.upper()}", attempt
        self.world.fleet.ctl("unknown", "resolve", "--tenant", self.world.tenant["id"], "--attempt", attempt["attempt_id"],
                             "--answer", "declined", "--reason", "the dashboard of the PSP does not show it")

        def anew():
            try:
                return change.do()
            except Problem as problem:
                assert problem.problem["code"] == "operation_running", problem  # the orchestrator has not read the decision
                return None
        eventually(anew, 20, f"{change} anew")
        eventually(lambda: change.ended() == "done", 20, f"{change} is done after the decision")
        change.verdict("done")

    def finish(self):
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda taken: self.world.finish(*taken), self.calls))
