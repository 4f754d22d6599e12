"""session-orchestration split in two, on one PostgreSQL: a process that answers the public API (--role api) and one that does
what goes on unasked (--role worker). Only the worker sends webhooks."""

import time

import pytest

from fleet import ORCHESTRATOR
from world import DATABASES, World, eventually

WEBHOOKS = "flattone_session_webhooks_total"


@pytest.fixture(scope="module", params=DATABASES[1:])
def world(request, tmp_path_factory):
    flags = {f"{ORCHESTRATOR}-1": ["--role", "api"], f"{ORCHESTRATOR}-2": ["--role", "worker"]}
    with World(tmp_path_factory.mktemp("roles"), database=request.param, flags=flags) as world:
        yield world


def test_a_payment_at_the_api_is_told_by_the_worker(world):
    api, worker = world.orchestrators()
    assert {"rest", "public_grpc"} <= set(api.ports) and not {"rest", "public_grpc"} & set(worker.ports), "a worker has no public door"
    call, session, _ = world.ready_session()
    payment = session.pay()
    assert payment["state"] == "PAYMENT_STATE_CAPTURED" and len(world.charges(payment)) == 1
    world.receiver.wait(payment["id"], ["payment.captured"])
    call.hang_up()
    session.events.wait_type("session.ended", 15)
    world.receiver.wait(session.id, ["session.ended"])
    # payment.processing, payment.captured, session.ended; counted once the outcome is stored
    eventually(lambda: worker.metric(WEBHOOKS, outcome="delivered") >= 3, 10, "the worker's count of webhooks")
    assert api.metric(WEBHOOKS) == 0, "the api has sent a webhook"


def test_while_the_worker_stands_still_payments_go_on_and_their_webhooks_wait(world):
    api, worker = world.orchestrators()
    call, session, _ = world.ready_session()
    before = len(world.receiver.deliveries)
    worker.stop()
    try:
        payment = session.pay()
        assert payment["state"] == "PAYMENT_STATE_CAPTURED" and len(world.charges(payment)) == 1
        time.sleep(2)
        assert len(world.receiver.deliveries) == before, "somebody else than the worker has sent a webhook"
    finally:
        worker.cont()
    world.receiver.wait(payment["id"], ["payment.captured"])
    assert api.metric(WEBHOOKS) == 0
    call.hang_up()
    world.assert_gap_free()
