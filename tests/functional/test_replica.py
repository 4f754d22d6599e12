"""A replica of the orchestrator that is started again under its name goes on at once where it was killed; a process that
was thought dead and goes on is shut out by its successor. The leases alone would take 60 s (webhooks) and 30 s."""

import contextlib
import sqlite3
import subprocess
import threading
import time

import pytest
import requests

from fleet import ORCHESTRATOR, FleetError, Process
from world import DATABASES, Problem, World, eventually


@pytest.fixture(scope="module", params=DATABASES)
def world(request, tmp_path_factory):
    """A fleet of its own: gates, and processes that are killed."""
    with World(tmp_path_factory.mktemp(f"replica-{request.param}"), database=request.param, gates=True) as world:
        yield world


def pay_whatever_happens(session):
    """The replica dies under it: the outcome is told by webhooks."""
    try:
        session.pay()
    except (requests.RequestException, Problem):
        pass


def database_is_free(world):
    """No transaction holds what a successor's start wants."""
    try:
        if world.database == "postgresql":
            world.fleet.sql("SELECT id FROM replica FOR UPDATE NOWAIT; SELECT id FROM capture FOR UPDATE NOWAIT", url=world.fleet.databases[ORCHESTRATOR])
        else:
            with contextlib.closing(sqlite3.connect(world.fleet.dir / "data" / f"{ORCHESTRATOR}.db", timeout=0)) as database:
                database.execute("BEGIN IMMEDIATE")
                database.rollback()
        return True
    except (FleetError, sqlite3.OperationalError):
        return False


def stop_between_transactions(world, process):
    """SIGSTOP; a process that was caught inside a transaction runs on and is stopped again: what it holds is the
    database's to time out, not this test's subject."""
    def stopped():
        process.stop()
        if database_is_free(world):
            return True
        process.cont()
        return False
    eventually(stopped, 20, f"{process.name} stopped outside a transaction")


def test_a_webhook_under_way_goes_out_again_within_seconds_of_the_restart(world):
    call, session, _ = world.ready_session()
    gate = "webhook_sent_not_marked"
    for process in world.orchestrators():
        process.hold(gate)
    threading.Thread(target=pay_whatever_happens, args=(session,), daemon=True).start()
    sent = world.receiver.wait(session.id, ["payment.processing"])
    held = eventually(lambda: [p for p in world.orchestrators() if p._gate(gate, "reached").exists()], 30, "a webhook was sent and not marked")
    for process in held:
        process.kill()
    for process in world.orchestrators():
        process.release(gate)
    for process in held:
        process.start()
    eventually(lambda: [d["id"] for d in world.receiver.deliveries].count(sent["id"]) == 2, 15, "the same delivery again")
    last = int(world.api.get(f"/v1/webhookEndpoints/{world.endpoint['id']}")["last_sequence"])
    eventually(lambda: {int(d["body"]["sequence"]) for d in world.receiver.deliveries} == set(range(1, last + 1)), 20, "no gap")
    call.hang_up()


def test_a_capture_is_followed_again_within_seconds_of_the_restart(world):
    call = world.call()
    session = world.session(call)
    session.start()
    call.type("4111")
    session.await_count("PAN", 4)
    watching = eventually(lambda: next((p for p in world.orchestrators() if p.metric("flattone_session_captures_watched") > 0), None), 5, "a replica that watches")
    watching.kill()
    call.type("11")
    watching.start()
    begin = time.monotonic()
    eventually(lambda: session.field("PAN").get("count") == 6, 12, "keys typed meanwhile are told")
    assert time.monotonic() - begin < 15
    session.act("cancel")
    call.hang_up()


def test_a_process_that_goes_on_after_its_successor_has_started_writes_nothing_and_ends(world):
    old = world.orchestrators()[0]
    twin = Process(world.fleet, f"{old.name}-again", ORCHESTRATOR,
                   lambda p: [old.name if before == "--replica-id" else value for before, value in
                              zip([""] + world.fleet._orchestrator(p), world.fleet._orchestrator(p))])
    call = world.call()
    session = world.session(call)
    session.start()
    stop_between_transactions(world, old)
    world.fleet.processes[twin.name] = twin
    try:
        twin.start()
        eventually(lambda: twin.metric("flattone_session_captures_watched") > 0 or len(world.rest) > 1, 6, "the successor watches")
        old.may_end_with = {0, 3}
        old.cont()
        assert old.wait(20) == 3
        assert any("replaced" in str(r.get("message", r.get("msg", ""))) for r in old.records()[-50:])
        assert twin.alive and twin.metric("flattone_session_job_failures_total", job="successor") == 0
    finally:
        if twin.alive:
            twin.terminate()
        del world.fleet.processes[twin.name]
        old.start()
    # And the other way round: the first comes back under its name and the work goes on.
    call.type("4111")
    eventually(lambda: session.field("PAN").get("count", 0) == 4, 15, "the capture goes on")
    session.act("cancel")
    call.hang_up()


def test_a_name_that_cannot_be_one_is_a_config_error(world):
    program = world.fleet.program(ORCHESTRATOR)
    flags = world.fleet._orchestrator(world.orchestrators()[0])
    flags[flags.index("--replica-id") + 1] = "Not A Name"
    done = subprocess.run([program, *flags], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "replica-id" in done.stderr + done.stdout
