"""What a session may choose: the fields that are typed, the purpose, the mode, and the amount within its tenant's limits."""

import json
import os

import pytest

from fleet import ADAPTER, FleetError
from psp_recorder import Recorder
from webhooks import Receiver
from world import Problem, Session, World, eventually


class ChoicesWorld(World):
    """The adapter reaches the sandbox PSP through a recorder, under a second name for live mode too."""

    def __enter__(self):
        super().__enter__()
        end = self.fleet.endpoints()
        self.recorder = Recorder(end["webhook"]["cert"], end["webhook"]["key"], end["psp"]["url"])
        self.fleet.flags[ADAPTER] = ["--psp", f"sandbox={self.recorder.url},live-sandbox={self.recorder.url}"]
        for adapter in self.fleet.all(ADAPTER):
            adapter.restart()
        return self

    def __exit__(self, *details):
        super().__exit__(*details)
        self.recorder.close()

    def put_account(self, tenant, mode, psp, credential, expect=0):
        secret = self.fleet.dir / "secrets" / f"{tenant['id']}.{mode}"
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(credential)
        return self.fleet.ctl("psp", "put", "--tenant", tenant["id"], "--mode", mode, "--psp", psp, "--credential", f"api_key=@{secret}",
                              expect=expect)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with ChoicesWorld(tmp_path_factory.mktemp("choices"), database="sqlite") as world:
        yield world


def state_of(session, field):
    return session.field(field).get("state")


# --- fields

def unlike(sent, **typed):
    """The names of what the PSP was sent otherwise than it was typed, never the digits."""
    return sorted(name for name in {*sent, *typed} if sent.get(name) != typed.get(name))


def test_a_card_with_a_code_of_four_digits_reaches_the_psp_as_typed(world):
    number, expiry, code = world.card("37", 15)
    call = world.call()
    session = world.session(call)
    session.start()
    call.type(number)
    eventually(lambda: state_of(session, "PAN") == "FIELD_STATE_COMPLETE", what="fifteen digits are a whole number")
    assert session.field("PAN")["brand"] == "CARD_BRAND_AMEX"
    call.type(expiry + code)
    session.await_count("SECURITY_CODE", 3)
    assert state_of(session, "SECURITY_CODE") == "FIELD_STATE_COLLECTING", "three digits are not enough for this brand"
    call.type("9")
    session.ready()
    payment = session.pay()
    assert (payment["state"], payment["brand"], payment["last_four"]) == ("PAYMENT_STATE_CAPTURED", "CARD_BRAND_AMEX", number[-4:])
    _, body = world.recorder.payment_of(payment)
    assert unlike(body["card"], number=number, expiry=expiry, security_code=code + "9") == []
    call.hang_up()


FOUR_FIELDS = [f"CARD_FIELD_{name}" for name in ("PAN", "EXPIRY", "SECURITY_CODE", "POSTCODE")]


def test_a_postcode_of_known_length_is_collected_last_and_reaches_the_psp(world):
    call, card = world.call(), world.card()
    session = world.session(call, fields=FOUR_FIELDS, postcode_length=5)
    session.start()
    call.type_card(card)
    eventually(lambda: state_of(session, "SECURITY_CODE") == "FIELD_STATE_COMPLETE", what="the code is complete")
    assert session.get()["state"] == "SESSION_STATE_CAPTURING", "the postcode is missing"
    call.type("80331")
    session.ready()
    assert session.field("POSTCODE")["count"] == 5 and "80331" not in json.dumps(session.get())
    payment = session.pay()
    assert payment["state"] == "PAYMENT_STATE_CAPTURED"
    _, body = world.recorder.payment_of(payment)
    assert unlike(body["card"], number=card[0], expiry=card[1], security_code=card[2], postcode="80331") == []
    call.hang_up()


def test_the_agent_submits_a_postcode_whose_length_nobody_knows(world):
    call, card = world.call(), world.card()
    session = world.session(call, fields=FOUR_FIELDS)
    session.start()
    call.type_card(card)
    call.type("8001")
    session.await_count("POSTCODE", 4)
    submit = {"field": "CARD_FIELD_POSTCODE", "expected_count": 3}
    with pytest.raises(Problem) as refused:
        session.act("submitField", submit)
    assert (refused.value.problem["code"], state_of(session, "POSTCODE")) == ("field_mismatch", "FIELD_STATE_COLLECTING")
    answer = session.act("submitField", {**submit, "expected_count": 4}, idempotency_key=f"submit-{session.id}")
    assert answer["state"] == "SESSION_STATE_READY"
    assert session.act("submitField", {**submit, "expected_count": 4}, idempotency_key=f"submit-{session.id}") == answer
    session.ready()
    payment = session.pay()
    _, body = world.recorder.payment_of(payment)
    assert unlike(body["card"], number=card[0], expiry=card[1], security_code=card[2], postcode="8001") == []
    call.hang_up()


def test_a_number_that_is_submitted_too_soon_is_told_as_too_short(world):
    call = world.call()
    session = world.session(call)
    session.start()
    call.type(world.card()[0][:11])
    session.await_count("PAN", 11)
    session.act("submitField", {"field": "CARD_FIELD_PAN", "expected_count": 11})
    field = session.field("PAN")
    assert (field["state"], field["problem"]) == ("FIELD_STATE_INVALID", "FIELD_PROBLEM_TOO_SHORT")
    session.act("cancel")
    call.hang_up()


# --- purpose

def test_a_card_that_is_kept_moves_no_money_and_finance_hears_its_token(world):
    call, card = world.call(), world.card()
    body = world.body(call, purpose="TOKENISE")
    with pytest.raises(Problem) as refused:
        Session(world, world.api, body)
    assert refused.value.problem["field"] == "session.intent.amount"
    del body["intent"]["amount"]
    session = Session(world, world.api, body)
    session.start()
    call.type_card(card)
    session.ready()
    asked = len(world.recorder.requests)
    payment = session.pay()
    assert (payment["state"], payment["last_four"]) == ("PAYMENT_STATE_TOKENISED", card[0][-4:])
    assert payment["token_id"].startswith("tok_") and "amount" not in payment
    assert len(world.recorder.requests) == asked and world.charges(payment) == []
    told = world.receiver.wait(payment["id"], ["payment.tokenised"])
    assert told["body"]["data"]["last_four"] == card[0][-4:]
    assert session.get()["state"] == "SESSION_STATE_CREATED"
    # The next payment of the call is another card, by another capture.
    session.act("setIntent", {"intent": world.body(call)["intent"]})
    seen = int(session.get()["last_event_sequence"])
    session.start()
    call.type_card(world.card())
    session.events.wait(lambda e: e["type"] == "session.ready" and int(e["session_sequence"]) > seen, 15, "second ready")
    assert session.pay()["state"] == "PAYMENT_STATE_CAPTURED"
    call.hang_up()


# --- mode

def test_live_mode_is_a_world_of_its_own_with_its_own_account_at_its_own_psp(world):
    shop = world.fleet.add_tenant("Live shop", psp=None, mode="live")
    assert shop["key"].startswith("ft_live_")
    world.put_account(shop, "live", "live-sandbox", "sbx_live_of_the_shop")
    world.put_account(shop, "test", "sandbox", "sbx_test_of_the_shop")
    for mode, psp in (("live", "sandbox"), ("test", "live-sandbox")):
        with pytest.raises(FleetError):
            world.put_account(shop, mode, psp, "sbx_of_the_wrong_mode")
    live = world.api_of(shop)
    test_key = world.fleet.ctl("key", "create", "--tenant", shop["id"], "--mode", "test", "--roles", "sessions,finance")
    test = world.api_of({"key": test_key["secret"]})
    end = world.fleet.endpoints()
    finance = Receiver(end["webhook"]["cert"], end["webhook"]["key"])
    try:
        finance.secret = live.post("/v1/webhookEndpoints", {"url": finance.url})["secret"]
        call, card = world.call(tenant=shop), world.card()
        session = world.session(call, api=live)
        assert session.created["mode"] == "MODE_LIVE"
        session.start()
        call.type_card(card)
        session.ready()
        payment = session.pay()
        assert (payment["state"], payment["mode"], payment["psp"]) == ("PAYMENT_STATE_CAPTURED", "MODE_LIVE", "live-sandbox")
        credential, _ = world.recorder.payment_of(payment)
        assert credential == "Bearer sbx_live_of_the_shop"
        assert [c["amount_minor"] for c in world.charges(payment)] == [1999]
        assert finance.wait(payment["id"], ["payment.captured"])["body"]["livemode"] is True
    finally:
        finance.close()
    for path in (f"/v1/sessions/{session.id}", f"/v1/payments/{payment['id']}"):
        with pytest.raises(Problem) as unknown:
            test.get(path)
        assert unknown.value.status == 404
    assert not test.get("/v1/payments").get("payments") and not test.get("/v1/events").get("events")
    # The same shop's test key, on the same call, reaches the test account.
    session = world.session(call, api=test)
    session.start()
    call.type_card(world.card())
    session.ready()
    tried = session.pay()
    assert (tried["mode"], tried["psp"], world.recorder.payment_of(tried)[0]) == ("MODE_TEST", "sandbox", "Bearer sbx_test_of_the_shop")
    call.hang_up()


# --- the tenant's own limits

@pytest.fixture(scope="module")
def limited(world):
    tenant = world.fleet.ctl("tenant", "create", "--name", "Small shop", "--max-amount", "5000", "--currencies", "EUR,CHF")
    key = world.fleet.ctl("key", "create", "--tenant", tenant["id"], "--mode", "test", "--roles", "sessions", "--description", "limits")
    return world.api_of({"key": key["secret"]})


BEYOND = [(5001, "EUR", "amount_out_of_range", "amount_minor", "5000"), (5000, "USD", "currency_not_allowed", "currency_code", "EUR, CHF")]


@pytest.mark.parametrize("amount, currency, code, field, limit", BEYOND, ids=["amount", "currency"])
def test_a_tenants_own_limits_hold_for_a_new_session_and_for_a_new_intent(world, limited, amount, currency, code, field, limit):
    def check(refused, prefix):
        problem = refused.value.problem
        assert (problem["status"], problem["code"], problem["field"]) == (400, code, f"{prefix}.amount.{field}")
        assert limit in problem["limit"], problem

    with pytest.raises(Problem) as refused:
        limited.post("/v1/sessions", world.body("nobody-1", amount_minor=amount, currency=currency))
    check(refused, "session.intent")
    made = limited.post("/v1/sessions", world.body("nobody-1", amount_minor=5000, currency="CHF"))
    body = world.body("nobody-1", amount_minor=amount, currency=currency)
    with pytest.raises(Problem) as refused:
        limited.post(f"/v1/sessions/{made['id']}:setIntent", {"intent": body["intent"]})
    check(refused, "intent")
    assert limited.get(f"/v1/sessions/{made['id']}")["intent"]["amount"] == {"amount_minor": "5000", "currency_code": "CHF"}
    # Another tenant has other limits.
    assert world.api.post("/v1/sessions", world.body("nobody-1", amount_minor=amount, currency=currency))["id"]
