"""A change of money repeated under one Idempotency-Key, one after the other and at once, on every replica: it is done once at the
PSP, and each repeat is given the first answer.
"""

import concurrent.futures
import uuid

import pytest

from hand import Hand
from world import Problem


@pytest.fixture
def paid(world):
    """A call and a payment of 50.00 that is authorised."""
    call = world.call()
    session = world.session(call, purpose="AUTHORISE", amount_minor=5000)
    session.act("startCapture")
    Hand(world).type_card(session, world.tenant, world.card())
    payment = session.pay()
    assert payment["state"] == "PAYMENT_STATE_AUTHORISED", payment
    yield payment
    call.hang_up()
    world.receiver.wait(session.id, ["session.ended"], 40)
    session.close()


def repeat(world, path, body, key):
    """The same request six times at once, then once more; what those were given that were answered."""
    def ask(api):
        try:
            return api.post(path, body, idempotency_key=key)
        except Problem as problem:
            assert problem.problem["code"] == "idempotency_in_progress", problem  # the first one still runs
            return None
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, (world.apis() * 6)[:6]))
    answers.append(world.apis()[-1].post(path, body, idempotency_key=key))
    return [a for a in answers if a is not None]


def test_a_capture_and_a_refund_repeated_under_one_key_are_done_once(world, paid):
    path = f"/v1/payments/{paid['id']}"

    def refunds():
        return [r["amount_minor"] for r in world.sandbox(f"/_sandbox/ledger?payment_id={paid['id']}")["refunds"]]

    captured = repeat(world, f"{path}:capture", {"amount_minor": "3000"}, str(uuid.uuid4()))
    assert captured[0]["captured_minor"] == "3000" and all(a == captured[0] for a in captured), captured
    assert [c["captured_minor"] for c in world.charges(paid)] == [3000]
    key = str(uuid.uuid4())
    refunded = repeat(world, f"{path}:refund", {"amount_minor": "1000"}, key)
    assert refunded[0]["refunded_minor"] == "1000" and all(a == refunded[0] for a in refunded), refunded
    assert refunds() == [1000]
    # Another amount under that key is refused; the same amount under another key is another refund.
    with pytest.raises(Problem) as refused:
        world.api.post(f"{path}:refund", {"amount_minor": "999"}, idempotency_key=key)
    assert refused.value.problem["code"] == "idempotency_key_reused"
    world.api.post(f"{path}:refund", {"amount_minor": "1000"})
    assert refunds() == [1000, 1000]
    # The first answer stays what it was.
    assert world.api.post(f"{path}:refund", {"amount_minor": "1000"}, idempotency_key=key) == refunded[0]
    assert refunds() == [1000, 1000]
