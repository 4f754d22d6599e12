"""SIGTERM at the vault (docs/adr/0031): a payment that is under way takes its code, every other card is gone at once and its
agent told, nothing new begins, and at the deadline nothing is left. When the vault is back a capture can begin at once.
"""

import threading
import time

import pytest

from cards import canary
from findings import scan
from fleet import ORCHESTRATOR, VAULT
from rest import Problem
from world import DATABASES, World, eventually

DEADLINE = 6
GATE = "card_tokenised"  # the orchestrator has the token and has not yet asked the adapter


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    import random
    planted = canary(random.Random(31))
    flags = {VAULT: ["--shutdown-deadline", f"{DEADLINE}s", "--canary", planted]}
    with World(tmp_path_factory.mktemp("drain"), database="sqlite", gates=True, flags=flags) as world:
        world.canary = planted
        yield world


class Paying:
    """A payment that is held between its token and its authorisation."""

    def __init__(self, world):
        self.orchestrator = world.fleet[ORCHESTRATOR]
        self.call, session, _ = world.ready_session()
        self.session = session
        self.orchestrator.hold(GATE)
        self._thread = threading.Thread(target=lambda: setattr(self, "payment", session.pay()))
        self._thread.start()
        self.orchestrator.wait_reached(GATE)

    def go_on(self):
        self.orchestrator.release(GATE)
        self._thread.join(40)
        return self.payment


def digits_in(world, process, card):
    """How often the process's memory holds the card; the planted canary shows that the scan sees."""
    return scan(world, card, [process], canary=world.canary)[process.name]


def terminate(process):
    process.signal(15)
    return time.monotonic()


def test_a_payment_under_way_is_paid_and_every_other_card_is_gone_at_once(world):
    vault = world.fleet[VAULT]
    call, typed, card = world.ready_session()
    paying = Paying(world)
    assert digits_in(world, vault, card) > 0
    begun = terminate(vault)
    typed.events.wait_type("session.capture_ended", 3)
    assert vault.alive, "the payment under way is waited for"
    assert digits_in(world, vault, card) == 0
    with pytest.raises(Problem) as refused:
        world.session(world.call()).start()
    assert refused.value.status == 503, refused.value.problem
    payment = paying.go_on()
    assert payment["state"] == "PAYMENT_STATE_CAPTURED" and len(world.charges(payment)) == 1
    assert vault.wait(10) == 0
    assert time.monotonic() - begun < DEADLINE, "with nothing left it does not wait for the deadline"
    with pytest.raises(Problem) as refused:
        typed.pay()
    assert refused.value.problem["code"] == "capture_incomplete"
    assert typed.get().get("payments", []) == []
    vault.start()
    call.hang_up()
    paying.call.hang_up()


def test_at_the_deadline_it_ends_whatever_it_holds_and_a_capture_begins_as_soon_as_it_is_back(world):
    vault = world.fleet[VAULT]
    paying = Paying(world)
    begun = terminate(vault)
    assert vault.wait(DEADLINE + 4) == 0
    took = time.monotonic() - begun
    assert DEADLINE - 0.5 < took < DEADLINE + 2, took
    call = world.call()
    session = world.session(call)
    time.sleep(3)  # by now those who want to connect pause as long as they ever do
    vault.start()
    session.start()
    card = world.card()
    call.type_card(card)
    session.ready()
    # The code of the payment under way is gone: nothing is charged, and it is asked for again.
    payment = paying.go_on()
    assert payment["state"] == "PAYMENT_STATE_FAILED" and payment["instruction"] == "INSTRUCTION_REENTER_SECURITY_CODE", payment
    assert world.charges(payment) == []
    paid = session.pay()
    assert paid["state"] == "PAYMENT_STATE_CAPTURED" and len(world.charges(paid)) == 1
    eventually(lambda: world.receiver.wait(paid["id"], ["payment.captured"]), 10, "the webhook")
    call.hang_up()
    paying.call.hang_up()


@pytest.fixture(params=DATABASES[1:])
def two_vaults(request, tmp_path):
    with World(tmp_path, database=request.param, gates=True, flags={VAULT: ["--shutdown-deadline", "20s"]}) as world:
        yield world


def test_while_one_replica_drains_the_other_opens_every_capture(two_vaults):
    world = two_vaults
    paying = Paying(world)
    address = world.fleet.sql(f"SELECT vault_address FROM capture WHERE session_id = '{paying.session.id}'", url=world.fleet.databases[ORCHESTRATOR])
    [draining] = [p for p in world.fleet.all(VAULT) if p.address() in address]
    call = world.call()
    terminate(draining)
    for _ in range(6):  # the orchestrator asks the two in turn
        session = world.session(call)
        session.start()
        session.act("cancel")
    assert draining.alive, "the payment under way is waited for"
    assert paying.go_on()["state"] == "PAYMENT_STATE_CAPTURED"
    assert draining.wait(10) == 0
    call.hang_up()
    paying.call.hang_up()
