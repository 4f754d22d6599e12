"""Fields asked for one by one, and a refused security code that alone is typed again."""

import pytest

from cards import ending
from world import Problem, eventually

WANTS_737 = "400000990000007"  # the sandbox PSP's: declined with any other security code


def state_of(session):
    return session.get()["state"]


def test_a_refused_code_alone_is_typed_again_and_the_same_card_is_charged(world):
    number, expiry, _ = ending(WANTS_737, world.random)
    call, session, _ = world.ready_session(card=(number, expiry, "911"))
    refused = session.pay()
    assert (refused["state"], refused["instruction"]) == ("PAYMENT_STATE_DECLINED", "INSTRUCTION_REENTER_SECURITY_CODE")
    started = session.act("startCapture", {"fields": ["CARD_FIELD_SECURITY_CODE"]})
    assert [f["field"] for f in started["progress"]["fields"]] == ["CARD_FIELD_SECURITY_CODE"]
    call.type("737")
    eventually(lambda: state_of(session) == "SESSION_STATE_READY", what="the code is complete")
    paid = session.pay()
    assert (paid["state"], paid["last_four"]) == ("PAYMENT_STATE_CAPTURED", number[-4:])
    assert len(world.charges(paid)) == 1 and world.charges(refused) == []
    # What was paid is not kept: there is nothing to type again.
    call.hang_up()


def test_what_is_not_kept_cannot_be_typed_again(world):
    number, expiry, _ = ending("400000000000999", world.random)  # insufficient funds: another card is wanted
    call, session, _ = world.ready_session(card=(number, expiry, "911"))
    assert session.pay()["instruction"] == "INSTRUCTION_OTHER_CARD"
    for fields, code in ((["CARD_FIELD_SECURITY_CODE"], "card_not_kept"), (["CARD_FIELD_PAN"], "invalid_field"),
                         (["CARD_FIELD_EXPIRY", "CARD_FIELD_EXPIRY"], "invalid_field")):
        with pytest.raises(Problem) as problem:
            session.act("startCapture", {"fields": fields})
        assert problem.value.problem["code"] == code
    assert [f["field"] for f in session.act("startCapture")["progress"]["fields"]][0] == "CARD_FIELD_PAN"
    session.act("cancel")
    call.hang_up()


def test_fields_one_by_one_wait_for_the_agent(world):
    call, card = world.call(), world.card()
    session = world.session(call, one_by_one=True)
    session.start()
    call.type(card[0])
    eventually(lambda: session.field("PAN").get("state") == "FIELD_STATE_COMPLETE", what="the number is complete")
    call.type(card[1])
    eventually(lambda: session.get()["progress"].get("extra_keys") == 4, what="keys that nobody asked for are counted, not kept")
    assert session.field("EXPIRY").get("state") == "FIELD_STATE_WAITING"
    for field, keys in (("EXPIRY", card[1]), ("SECURITY_CODE", card[2])):
        session.act("restartField", {"field": f"CARD_FIELD_{field}", "expected_count": 0})
        call.type(keys)
        eventually(lambda: session.field(field).get("state") == "FIELD_STATE_COMPLETE", what=f"{field} is complete")  # noqa: B023
    eventually(lambda: state_of(session) == "SESSION_STATE_READY", what="all fields are complete")
    assert session.pay()["state"] == "PAYMENT_STATE_CAPTURED"
    call.hang_up()


def test_a_capture_setting_out_of_its_limits_is_named(world):
    call = world.call()
    with pytest.raises(Problem) as problem:
        world.session(call, length_pause_ms=100)
    assert problem.value.problem["field"] == "session.capture.length_pause_ms"
    call.hang_up()
