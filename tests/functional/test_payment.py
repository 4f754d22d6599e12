"""A payment from the first key to the webhook, and what people do instead of the happy path."""

import threading

import pytest

from findings import scan
from fleet import VAULT
from world import Problem, eventually


@pytest.mark.parametrize("keys", ["inband", "rfc4733", "both"])
def test_a_card_typed_by_any_transport_is_charged_and_the_webhook_verifies(world, keys):
    call, session, card = world.ready_session(keys=keys)
    payment = session.pay()
    assert payment["state"] == "PAYMENT_STATE_CAPTURED", payment
    assert payment["last_four"] == card[0][-4:]
    [charge] = world.charges(payment)
    assert (charge["amount_minor"], charge["currency"], charge["state"]) == (1999, "EUR", "captured")
    delivery = world.receiver.wait(payment["id"], ["payment.captured"])
    data = delivery["body"]["data"]
    assert (data["payment_id"], data["amount_minor"], data["currency"], data["last_four"]) == (payment["id"], 1999, "EUR", card[0][-4:])
    assert delivery["body"]["livemode"] is False
    call.hang_up()


def test_progress_counts_keys_and_never_shows_a_digit(world):
    call = world.call()
    card = world.card()
    session = world.session(call)
    session.start()
    call.type(card[0][:10])
    session.await_count("PAN", 10)
    field = session.field("PAN")
    assert field["masked"] == "•••• •••• ••"
    assert field["brand"] == "CARD_BRAND_VISA"
    call.type(card[0][10:])
    eventually(lambda: session.field("PAN").get("state") == "FIELD_STATE_COMPLETE", what="the number is complete")
    for event in session.events.events:
        assert not any(card[0][i:i + 4] in str({k: v for k, v in event.items() if k not in ("id", "time", "_at_ns", "session_id")})
                       for i in range(10))
    session.act("cancel")
    call.hang_up()


def test_a_declined_card_tells_the_agent_what_to_do_and_moves_no_money(world):
    from cards import ending
    card = ending("400000000000999", world.random)
    call, session, _ = world.ready_session(card=card)
    payment = session.pay()
    assert payment["state"] == "PAYMENT_STATE_DECLINED"
    assert payment["instruction"] == "INSTRUCTION_OTHER_CARD"
    assert world.charges(payment) == []
    assert world.receiver.wait(payment["id"], ["payment.declined"])
    call.hang_up()


def test_cancel_between_keys_ends_the_session_and_the_call_goes_on(world):
    call = world.call()
    session = world.session(call)
    session.start()
    call.type(world.card()[0][:6])
    session.act("cancel")
    assert session.get()["state"] == "SESSION_STATE_ENDED"
    call.type("123456")
    statistics = call.hang_up()
    # What the agent heard of the later keys is judged by ear in tests/chaos/test_capture.py.
    assert int(statistics["relay"]["caller_to_agent"]["frames_masked"]) > 0


def test_a_wrong_number_is_told_and_the_field_can_be_restarted(world):
    call = world.call()
    card = world.card()
    session = world.session(call)
    session.start()
    wrong = card[0][:-1] + str((int(card[0][-1]) + 1) % 10)
    call.type(wrong)
    field = eventually(lambda: (f := session.field("PAN")).get("state") == "FIELD_STATE_INVALID" and f, what="invalid number")
    assert field["problem"] == "FIELD_PROBLEM_CHECK_DIGIT"
    session.act("restartField", {"field": "CARD_FIELD_PAN", "expected_count": 16})
    call.type_card(card)
    session.ready()
    assert session.pay()["state"] == "PAYMENT_STATE_CAPTURED"
    call.hang_up()


def test_undo_takes_back_one_key_and_refuses_when_the_count_is_not_what_the_agent_saw(world):
    call = world.call()
    card = world.card()
    session = world.session(call)
    session.start()
    call.type(card[0][:3] + str((int(card[0][3]) + 5) % 10))
    session.await_count("PAN", 4)
    with pytest.raises(Problem) as refused:
        session.act("undoKey", {"field": "CARD_FIELD_PAN", "expected_count": 3})
    assert refused.value.problem["code"] == "field_mismatch"
    session.act("undoKey", {"field": "CARD_FIELD_PAN", "expected_count": 4})
    session.await_count("PAN", 3)
    call.type(card[0][3:])
    eventually(lambda: session.field("PAN").get("state") == "FIELD_STATE_COMPLETE", what="the number is complete")
    session.act("cancel")
    call.hang_up()


@pytest.mark.parametrize("same_key", [True, False], ids=["same key", "different keys"])
def test_double_submit_on_all_replicas_at_once_charges_once(world, same_key):
    call, session, _ = world.ready_session()
    answers, errors = [], []

    def submit(api, key):
        try:
            answers.append(api.post(f"/v1/sessions/{session.id}:pay", {"wait_seconds": 30}, idempotency_key=key))
        except Problem as problem:
            errors.append(problem)

    apis = (world.apis() * 4)[:4]
    threads = [threading.Thread(target=submit, args=(api, "pay-1" + session.id if same_key else f"pay-{n}-{session.id}"))
               for n, api in enumerate(apis)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A duplicate that comes while the first still runs may wait, get the open payment, or be told so (409).
    assert all(e.status == 409 for e in errors), [str(e) for e in errors]
    ids = {a["id"] for a in answers}
    assert len(ids) == 1, answers
    payment = world.await_payment(ids.pop(), "CAPTURED")
    assert len(world.charges(payment)) == 1
    call.hang_up()


def test_a_caller_who_hangs_up_ends_the_capture_and_nothing_is_kept(world):
    vaults = world.fleet.all(VAULT)

    def live():
        return sum(vault.metric("flattone_vault_captures_live") for vault in vaults)

    call, card, before = world.call(), world.card(), live()
    session = world.session(call)
    session.start()
    call.type(card[0][:8])
    session.await_count("PAN", 8)
    assert any(scan(world, card, vaults).values()), "the look finds what the vault holds"
    call.hang_up()
    session.events.wait_type("session.ended", 15)
    assert session.get()["end_reason"] == "hang_up"
    eventually(lambda: live() <= before, 10, "the capture is over at the vault")
    eventually(lambda: not any(scan(world, card, vaults).values()), 10, "no digit in the vaults' memory")


@pytest.mark.slow
def test_a_field_that_times_out_is_told_and_can_be_restarted(world):
    call = world.call()
    card = world.card()
    session = world.session(call, field_timeout_seconds=5)
    session.start()
    call.type(card[0][:4])
    field = eventually(lambda: (f := session.field("PAN")).get("problem") == "FIELD_PROBLEM_TIMED_OUT" and f, 15, "time-out")
    session.act("restartField", {"field": "CARD_FIELD_PAN", "expected_count": field.get("count", 0)})
    call.type_card(card)
    session.ready()
    session.act("cancel")
    call.hang_up()


def test_a_second_payment_in_the_same_call(world):
    call, session, _ = world.ready_session()
    first = session.pay()
    assert first["state"] == "PAYMENT_STATE_CAPTURED"
    session.act("setIntent", {"intent": {"order_reference": "second", "purpose": "PURPOSE_CHARGE",
                                         "amount": {"amount_minor": "501", "currency_code": "EUR"}}})
    seen = session.get()["last_event_sequence"]
    call.type("99")  # belongs to nobody: the first capture is over
    session.start()  # at once: the relay is still stopping from the first capture
    call.type_card(world.card())
    session.events.wait(lambda e: e["type"] == "session.ready" and int(e["session_sequence"]) > int(seen), 15, "second ready")
    second = session.pay()
    assert second["state"] == "PAYMENT_STATE_CAPTURED"
    assert second["id"] != first["id"]
    assert [c["amount_minor"] for c in world.charges(second)] == [501]
    call.hang_up()


def test_authorise_then_capture_a_part_then_refund_is_bounded(world):
    call, session, _ = world.ready_session(purpose="AUTHORISE", amount_minor=5000)
    payment = session.pay()
    assert payment["state"] == "PAYMENT_STATE_AUTHORISED"
    path = f"/v1/payments/{payment['id']}"
    world.api.post(f"{path}:capture", {"amount_minor": "3000"})
    captured = world.await_payment(payment, "CAPTURED")
    assert captured["captured_minor"] == "3000"
    with pytest.raises(Problem) as refused:
        world.api.post(f"{path}:refund", {"amount_minor": "3001"})
    problem = refused.value.problem
    assert (problem["status"], problem["code"], problem["field"]) == (400, "refund_exceeds_captured", "amount_minor")
    assert "3000" in problem["limit"]
    world.api.post(f"{path}:refund", {"amount_minor": "1000"})
    eventually(lambda: world.payment(payment)["refunded_minor"] == "1000", what="refund")
    [charge] = world.charges(payment)
    assert (charge["captured_minor"], charge["refunded_minor"]) == (3000, 1000), charge
    call.hang_up()


def test_void_gives_an_authorisation_back(world):
    call, session, _ = world.ready_session(purpose="AUTHORISE")
    payment = session.pay()
    world.api.post(f"/v1/payments/{payment['id']}:void")
    world.await_payment(payment, "VOIDED")
    assert [c["state"] for c in world.charges(payment)] == ["voided"]
    call.hang_up()


def test_events_and_webhooks_have_no_gaps(world):
    events = world.assert_gap_free()
    assert events
    numbers = sorted({int(d["body"]["sequence"]) for d in world.receiver.deliveries})
    last = int(world.api.get(f"/v1/webhookEndpoints/{world.endpoint['id']}")["last_sequence"])
    eventually(lambda: len({int(d["body"]["sequence"]) for d in world.receiver.deliveries}) == last, 20, f"{last} webhooks, have {numbers}")
    assert world.receiver.refused == []
