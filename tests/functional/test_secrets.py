"""Card data stays where it must and goes when it must: the memory of all five services, what they log and store, and all that
leaves them. Every look first finds digits that were planted where it looks (tools/scan)."""

import json
import pathlib

import pytest

from cards import canary
from findings import scan
from fleet import ADAPTER, ORCHESTRATOR, SERVICES, VAULT
from world import Session, World, eventually


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    import random
    planted = canary(random.Random(3))
    with World(tmp_path_factory.mktemp("secrets"), database="sqlite", flags={s: ["--canary", planted] for s in SERVICES}) as world:
        world.canary = planted
        yield world


def amex(world):
    """A card whose code has four digits."""
    number, expiry, code = world.card("37", 15)
    return number, expiry, code + world.random.choice("123456789")


def held(world, fields, **capture):
    """(call, session, card) with so many fields typed, or half a number: the vault holds what was typed."""
    call, card, vault = world.call(), amex(world), world.fleet[VAULT]
    session = world.session(call, **capture)
    session.start()
    if fields == 3:
        call.type_card(card)
        session.ready()
    else:
        call.type(card[0][:9])
        session.await_count("PAN", 9)
    assert vault.metric("flattone_vault_captures_live") == 1
    assert scan(world, card, [vault], canary=world.canary)[vault.name] > 0
    return call, session, card


def assert_wiped(world, card):
    vault = world.fleet[VAULT]
    eventually(lambda: vault.metric("flattone_vault_captures_live") == 0, 10, "the capture is over at the vault")
    eventually(lambda: vault.metric("flattone_vault_codes_held") == 0, 10, "no code is held")
    everyone = [p for service in SERVICES for p in world.fleet.all(service)]
    eventually(lambda: not any(scan(world, card, everyone, canary=world.canary).values()), 10, "no digit in any service's memory")


@pytest.mark.parametrize("way, fields", [("cancel", 0), ("end", 3), ("hang up", 3)],
                         ids=["cancel, half a number typed", "end, all fields typed", "hang-up, all fields typed"])
def test_what_was_typed_is_wiped_when_the_session_ends(world, way, fields):
    call, session, card = held(world, fields)
    if way == "hang up":
        call.hang_up()
    else:
        session.act(way)
    session.events.wait_type("session.ended", 15)
    assert_wiped(world, card)
    if call.up():
        call.hang_up()


@pytest.mark.slow
def test_what_was_typed_is_wiped_when_the_captures_time_is_over(world):
    call, session, card = held(world, 3, capture_timeout_seconds=30)
    session.events.wait_type("session.capture_ended", 40)
    assert session.get()["state"] == "SESSION_STATE_CREATED"
    assert_wiped(world, card)
    session.act("end")
    call.hang_up()


def test_a_card_that_is_only_kept_leaves_no_code_behind(world):
    """No PSP will ask for it, so nobody would wipe it after an answer."""
    call, card = world.call(), amex(world)
    body = world.body(call, purpose="TOKENISE")
    del body["intent"]["amount"]
    session = Session(world, world.api, body)
    session.start()
    call.type_card(card)
    session.ready()
    assert session.pay()["state"] == "PAYMENT_STATE_TOKENISED"
    assert_wiped(world, card)
    session.act("end")
    call.hang_up()


class Outputs:
    """All that leaves the fleet about one paid call, one file for each kind."""

    def __init__(self, world, directory):
        self.world, self.dir, self.answers = world, pathlib.Path(directory), []
        world.api.http.hooks["response"] = [lambda response, *_, **__: self.answers.append(response)]

    def pay(self):
        call, session, card = self.world.ready_session(card=amex(self.world))
        payment = session.pay()
        assert payment["state"] == "PAYMENT_STATE_CAPTURED", payment
        self.world.receiver.wait(payment["id"], ["payment.captured"])
        call.hang_up()
        session.events.wait_type("session.ended", 15)
        self.world.receiver.wait(session.id, ["session.ended"])
        return session, card, payment

    def collect(self, session, payment):
        api = self.world.api
        for path in ("/v1/sessions", f"/v1/sessions/{session.id}", "/v1/payments", f"/v1/payments/{payment['id']}",
                     f"/v1/sessions/{session.id}/events", "/v1/events?page_size=200"):
            api.get(path)
        found = {
            "rest answers": [f"{r.request.method} {r.url} {dict(r.headers)} {r.text}" for r in self.answers],
            "the session's stream": [json.dumps(e) for e in session.events.events],
            "webhooks": [json.dumps(d) for d in self.world.receiver.deliveries],
        }
        found["events"] = [r.text for r in self.answers if "/events" in r.url]
        for service in SERVICES:
            for process in self.world.fleet.all(service):
                found[f"metrics of {process.name}"] = [f"{name} {value}" for name, value in process.metrics().items()]
        return found

    def write(self, found, planted=""):
        """The files, each with the canary at its end; `planted` in the midst of each."""
        paths = []
        for name, lines in found.items():
            path = self.dir / f"{name.replace(' ', '-').replace(chr(39), '')}{'.planted' if planted else ''}"
            half = len(lines) // 2
            path.write_text("\n".join([*lines[:half], planted, *lines[half:], f"canary {self.world.canary}"]))
            paths.append(path)
        return paths


def test_metrics_events_webhooks_and_rest_answers_hold_no_digits_of_a_paid_card(world, tmp_path):
    outputs = Outputs(world, tmp_path)
    try:
        session, card, payment = outputs.pay()
        found = outputs.collect(session, payment)
    finally:
        world.api.http.hooks["response"] = []
    assert len(found) == 4 + 6, list(found)  # two maskers
    for name, lines in found.items():
        text = "\n".join(lines)
        wanted = "flattone_" if name.startswith("metrics") else payment["id"]
        assert wanted in text, f"{name} tells of the payment"
        if not name.startswith("metrics"):
            assert card[0][-4:] in text
    assert not any(scan(world, card, files=outputs.write(found), canary=world.canary).values())
    # The same look finds seven digits of the number, and the expiry with the code, in every one of them.
    for planted in (f"x {card[0][3:10]} y", f'"{card[1]}{card[2]}"'):
        counts = scan(world, card, files=outputs.write(found, planted), canary=world.canary)
        assert all(count == 1 for count in counts.values()), counts
    # Nor do logs and databases, and the memory of all five.
    fleet = world.fleet
    logs = [p.log for service in SERVICES for p in fleet.all(service)]
    databases = [fleet.dir / "data" / f"{service}.db" for service in (VAULT, ADAPTER, ORCHESTRATOR)]
    assert not any(scan(world, card, files=logs, databases=databases, canary=world.canary).values())
    assert_wiped(world, card)
