"""A neighbour that a payment needs goes away in the middle of it: the vault killed or away, the database unplugged. The
caller is told clearly, nothing is lost, nothing is charged twice.
"""

import time

import pytest
import requests

from fleet import ADAPTER, ORCHESTRATOR, VAULT
from money import MoneyWorld
from rest import Problem
from world import DATABASES, eventually


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with MoneyWorld(tmp_path_factory.mktemp("unplugged"), "sqlite") as world:
        yield world
        world.last_judgement()


@pytest.fixture(autouse=True)
def let_go(request):
    yield
    world = request.getfixturevalue("postgresql" if "postgresql" in request.fixturenames else "world")
    world.let_go()


def failed(world, session, payment, message=None, instruction=None):
    """The payment failed, saying why; nothing was charged; the agent may go on with this caller."""
    final = world.final(payment)
    assert final["state"] == "PAYMENT_STATE_FAILED", final
    assert world.charges(final) == []
    events = [e for e in world.tenant_events() if e.get("payment_id") == final["id"]]
    assert [e["type"] for e in events] == ["payment.processing", "payment.failed"]
    if message:
        assert events[-1]["message"] == message
    if instruction:
        assert final["instruction"] == f"INSTRUCTION_{instruction}"
    assert session.get()["state"] == "SESSION_STATE_CREATED"


def pay_anew(world, call, session):
    """The same caller types again in the same session, and pays."""
    session.act("startCapture")  # the vault may have come back this very moment
    world.hand.type_card(session, world.tenant, world.card())
    final = session.pay()
    assert final["state"] == "PAYMENT_STATE_CAPTURED" and len(world.charges(final)) == 1
    world.finish(call, session)


@pytest.mark.parametrize("gate, message, instruction", [
    ("payment_committed", "capture_lost", "TRY_LATER"),       # the card was in the memory that died
    ("card_tokenised", None, "REENTER_SECURITY_CODE")])       # the number is stored, the security code was in that memory
def test_vault_killed_while_paying(world, gate, message, instruction):
    call, session, _ = world.take()
    world.hold(ORCHESTRATOR, gate)
    world.pay_in_background(session)
    victim = world.reached(ORCHESTRATOR, gate)
    world.fleet[VAULT].kill()
    world.fleet[VAULT].start()
    victim.release(gate)
    failed(world, session, world.the_payment(session), message, instruction)
    pay_anew(world, call, session)


def test_vault_killed_while_the_psp_has_the_request(world):
    """The charge stands, and the card is destroyed as soon as the vault is back."""
    call, session, card = world.take()
    world.fault("hold", operation="authorise", count=1, last_four=card[0][-4:])
    world.pay_in_background(session)
    held = world.held_by_psp()
    payment = world.the_payment(session)
    world.fleet[VAULT].kill()
    world.sandbox("/_sandbox/release", {"id": held["id"]})
    world.verdict(payment, "CAPTURED", 1, detour=False)
    world.fleet[VAULT].start()
    eventually(lambda: [r for r in world.fleet[VAULT].records() if r["msg"] == "card wiped" and r["destroyed"] and r["result"] == "ok"], 20,
               "the card is destroyed after all")
    world.finish(call, session)


def test_vault_away_while_paying(world):
    """It does not come back: the caller who waits is told in time, not left with a payment that hangs."""
    call, session, _ = world.take()
    world.fleet[VAULT].kill()
    begun = time.monotonic()
    payment = session.pay(wait_seconds=60)
    took = time.monotonic() - begun
    world.fleet[VAULT].start()
    assert payment["state"] == "PAYMENT_STATE_FAILED" and took < 40, (payment["state"], took)
    failed(world, session, payment, "capture_lost")
    pay_anew(world, call, session)


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory):
    with MoneyWorld(tmp_path_factory.mktemp("unplugged-pg"), "postgresql") as world:
        yield world
        world.last_judgement()


def unplugged(world, seconds=3):
    world.fleet.database_stop()
    time.sleep(seconds)


class TestDatabaseUnplugged:
    pytestmark = list(DATABASES[1].marks)

    def test_before_the_payment_is_asked_for(self, postgresql):
        """Refused clearly and at once; the same key asks again afterwards and pays once."""
        world = postgresql
        call, session, _ = world.take()
        unplugged(world, 0)
        begun = time.monotonic()
        with pytest.raises(Problem) as refused:
            session.act("pay", {"wait_seconds": 30}, idempotency_key="pay-through-the-outage")
        took = time.monotonic() - begun
        world.fleet.database_start()
        assert refused.value.status == 503 and refused.value.problem["code"] == "unavailable"
        assert "PostgreSQL" not in str(refused.value.problem) and ".s.PGSQL" not in str(refused.value.problem), "nothing of our inside"
        assert took < 20
        payment = eventually(lambda: pay_again(session), 20, "the database is back")
        world.verdict(payment, "CAPTURED", 1, detour=False)
        world.finish(call, session)

    def test_before_anything_was_sent(self, postgresql):
        world = postgresql
        call, session, _ = world.take()
        world.hold(ORCHESTRATOR, "payment_committed")
        world.pay_in_background(session)
        victim = world.reached(ORCHESTRATOR, "payment_committed")
        payment = world.the_payment(session)
        unplugged(world, 0)
        victim.release("payment_committed")
        time.sleep(3)
        world.fleet.database_start()
        world.verdict(payment, "CAPTURED", 1, detour=False)
        world.finish(call, session)

    @pytest.mark.parametrize("fault", ["hold_before", "hold"], ids=["PSP has read, not charged", "charged, no answer"])
    def test_while_the_psp_has_the_request(self, postgresql, fault):
        """The answer comes while it cannot be stored: the adapter keeps it, and it is the truth."""
        world = postgresql
        call, session, card = world.take()
        world.fault(fault, operation="authorise", count=1, last_four=card[0][-4:])
        world.pay_in_background(session)
        held = world.held_by_psp()
        payment = world.the_payment(session)
        unplugged(world, 0)
        world.sandbox("/_sandbox/release", {"id": held["id"]})
        time.sleep(3)
        world.fleet.database_start()
        world.verdict(payment, "CAPTURED", 1)
        world.finish(call, session)
        assert all(p.alive for p in world.fleet.all(ADAPTER) + world.fleet.all(VAULT) + world.orchestrators())


def pay_again(session):
    try:
        return session.act("pay", {"wait_seconds": 30}, idempotency_key="pay-through-the-outage")
    except (Problem, requests.RequestException):
        return None
