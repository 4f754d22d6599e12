"""Numbers without gaps, in commit order: while a transaction with a lower number is held open, no reader is shown a
higher one, and a number whose transaction is lost is given to the next.
"""

import threading
import time

import pytest
import requests

from fleet import ORCHESTRATOR
from rest import Problem
from world import DATABASES, World, eventually

GATE = "event_numbered"


@pytest.fixture(scope="module", params=DATABASES)
def world(request, tmp_path_factory):
    with World(tmp_path_factory.mktemp(f"numbers-{request.param}"), database=request.param, gates=True) as world:
        yield world


class Tenant:
    """A tenant of its own, seen from the first replica, from the last, and by a reader that never stops polling."""

    def __init__(self, world):
        self.world, self.tenant = world, world.fleet.add_tenant("Numbers")
        self.first, self.last = (world.api_of(self.tenant, n) for n in (0, world.replicas - 1))
        self.reader = world.api_of(self.tenant, world.replicas - 1)
        self.readings, self._stop = [], threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    def create(self, api):
        """A session's creation, which is one event; its thread."""
        def run():
            try:
                api.post("/v1/sessions", self.world.body("call-of-nobody"))
            except (requests.RequestException, Problem):
                pass  # the process is killed in one of the tests
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def numbers(self):
        return [int(e["tenant_sequence"]) for e in self.reader.get("/v1/events?after=0&page_size=200").get("events", [])]

    def _poll(self):
        while not self._stop.is_set():
            try:
                self.readings.append(self.numbers())
            except requests.RequestException:
                pass  # its replica is being started
            time.sleep(0.01)

    def end(self):
        self._stop.set()
        self._thread.join(20)
        for numbers in self.readings:
            assert numbers == list(range(1, len(numbers) + 1)), f"a reader saw {numbers}"


@pytest.fixture
def tenant(world):
    tenant = Tenant(world)
    yield tenant
    tenant.end()


def test_no_reader_sees_a_number_before_the_lower_one(world, tenant):
    process = world.orchestrators()[0]
    process.hold(GATE)
    first = tenant.create(tenant.first)
    process.wait_reached(GATE)
    second = tenant.create(tenant.last)
    seen = len(tenant.readings)
    time.sleep(1.5)
    assert len(tenant.readings) > seen + 20, "readers go on meanwhile"
    assert first.is_alive() and second.is_alive(), "the later writer waits for the lower number"
    assert all(numbers == [] for numbers in tenant.readings)
    process.release(GATE)
    first.join(20)
    second.join(20)
    assert eventually(tenant.numbers, 5, "events") == [1, 2]


def test_a_number_whose_transaction_is_lost_is_given_to_the_next(world, tenant):
    process = world.orchestrators()[0]
    tenant.create(tenant.first).join(20)
    process.hold(GATE)
    first = tenant.create(tenant.first)
    process.wait_reached(GATE)
    second = tenant.create(tenant.last) if world.replicas > 1 else None
    process.kill()
    process.release(GATE)
    process.start()
    first.join(20)
    if second is None:
        second = tenant.create(tenant.last)
    second.join(20)
    assert tenant.numbers() == [1, 2]
