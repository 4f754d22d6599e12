"""Bad input gets a clear error that names field and limit, and has no effect on other calls."""

import json
import socket
import ssl
import time

import grpc
import pytest
import requests

import contracts
from fleet import RELAY
from world import Problem, eventually


def refused(api, method, path, body=None, **more):
    with pytest.raises(Problem) as problem:
        api._call(method, path, body, **more)
    return problem.value


def intent(**changes):
    amount = {"amount_minor": changes.pop("amount_minor", "100"), "currency_code": changes.pop("currency_code", "EUR")}
    return {"call_reference": "c", "agent": "amal",
            "intent": {"order_reference": "o", "purpose": "PURPOSE_CHARGE", "amount": amount, **changes}}


@pytest.mark.parametrize("body, field", [
    (intent(amount_minor="0"), "amount_minor"),
    (intent(amount_minor="-5"), "amount_minor"),
    (intent(amount_minor="100000000000000"), "amount_minor"),
    (intent(amount_minor="ten"), "amount_minor"),
    (intent(currency_code="XXQ"), "currency_code"),
    (intent(currency_code="eur"), "currency_code"),
    (intent(purpose="PURPOSE_STEAL"), "purpose"),
    (intent(order_reference=""), "order_reference"),
    (intent(order_reference="x" * 65), "order_reference"),
    ({**intent(), "agent": ""}, "agent"),
    ({**intent(), "call_reference": ""}, "call_reference"),
    ({**intent(), "no_such_field": 1}, "no_such_field"),
    ({**intent(), "capture": {"card_tries": 99}}, "card_tries"),
    ({**intent(), "capture": {"fields": ["CARD_FIELD_PAN", "CARD_FIELD_PAN"]}}, "fields"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_a_wrong_field_is_named_with_its_limit(sqlite_world, body, field):
    problem = refused(sqlite_world.api, "POST", "/v1/sessions", body)
    assert problem.status == 400
    assert field in problem.problem["field"] and field in problem.problem["detail"]
    assert problem.problem["code"] and (problem.problem.get("limit") or problem.problem.get("fix")), problem.problem


def test_a_card_number_in_free_text_is_refused_and_not_repeated(sqlite_world):
    number = sqlite_world.card()[0]
    for body in (intent(metadata={"note": f"card {number}"}), intent(metadata={"note": " ".join(number)}), {**intent(), "agent": number}):
        problem = refused(sqlite_world.api, "POST", "/v1/sessions", body)
        assert problem.problem["code"] == "card_data_refused"
        assert number[6:] not in json.dumps(problem.problem)


def test_steps_in_the_wrong_state_are_refused_by_code(sqlite_world):
    api = sqlite_world.api
    session = sqlite_world.session("not-yet")
    assert refused(api, "POST", f"/v1/sessions/{session.id}:pay", {}).problem["code"] == "capture_incomplete"
    problem = refused(api, "POST", f"/v1/sessions/{session.id}:undoKey", {"field": "CARD_FIELD_PAN", "expected_count": 1})
    assert problem.problem["code"] == "no_capture"
    assert refused(api, "POST", f"/v1/sessions/{session.id}:startCapture", {}).problem["code"] == "call_not_found"
    session.act("end")
    assert refused(api, "POST", f"/v1/sessions/{session.id}:startCapture", {}).problem["code"] == "session_ended"


def test_idempotency_replays_the_same_and_refuses_another_body(sqlite_world):
    api = sqlite_world.api
    first = api.post("/v1/sessions", intent(), idempotency_key="idem-1")
    assert api.post("/v1/sessions", intent(), idempotency_key="idem-1")["id"] == first["id"]
    problem = refused(api, "POST", "/v1/sessions", intent(amount_minor="101"), idempotency_key="idem-1")
    assert (problem.status, problem.problem["code"]) == (422, "idempotency_key_reused")
    answer = api.http.post(api.base + "/v1/sessions", json=intent(), verify=api.ca, headers={"Authorization": f"Bearer {api.key}"})
    assert answer.status_code == 400 and "dempotency" in answer.text


@pytest.mark.parametrize("header", [None, "Bearer ft_test_wrong", "Basic abc", "Bearer "])
def test_a_missing_or_wrong_credential_is_401_with_a_problem(sqlite_world, header):
    api = sqlite_world.api
    answer = requests.get(api.base + "/v1/sessions", verify=api.ca, headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize("data", [b"{", b"[]", b'"x"', b"\xff\xfe", b'{"agent": 5}', b'{"intent": []}'])
def test_malformed_json_is_400(sqlite_world, data):
    api = sqlite_world.api
    answer = requests.post(api.base + "/v1/sessions", data=data, verify=api.ca,
                           headers={"Authorization": f"Bearer {api.key}", "Idempotency-Key": repr(data)[:40], "Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"]


def test_a_body_of_ten_megabytes_is_413_naming_the_limit(sqlite_world):
    api = sqlite_world.api
    try:
        answer = requests.post(api.base + "/v1/sessions", data=b"x" * 10_000_000, verify=api.ca, timeout=20,
                               headers={"Authorization": f"Bearer {api.key}", "Idempotency-Key": "big", "Content-Type": "application/json"})
    except requests.ConnectionError:
        pytest.fail("the connection was cut before the answer 413 could be read")
    assert answer.status_code == 413
    assert any(c.isdigit() for c in answer.json()["detail"] + answer.json().get("limit", "")), answer.text


@pytest.mark.slow
def test_a_slow_client_is_cut_and_others_are_served_meanwhile(sqlite_world):
    api = sqlite_world.api
    host, port = api.base.removeprefix("https://").split(":")
    context = ssl.create_default_context(cafile=api.ca)
    with socket.create_connection((host, int(port)), 5) as raw, context.wrap_socket(raw, server_hostname=host) as slow:
        slow.settimeout(1)
        begin = time.monotonic()
        slow.sendall(b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\n")
        cut = False
        while time.monotonic() - begin < 60 and not cut:
            api.get("/v1/sessions")
            try:
                slow.sendall(b"X")
                answer = slow.recv(100)
                assert answer == b"" or b" 408 " in answer, answer
                cut = True
            except TimeoutError:
                continue
            except OSError:
                cut = True
        assert cut, "a client that sends one byte a second was never cut"


@pytest.mark.parametrize("sdp", ["", "hello", "v=0\r\n", "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 99999 RTP/AVP 0\r\n",
                                 "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 5000 RTP/AVP 96\r\n", "v=0\r\n" + "a=x\r\n" * 5000])
def test_malformed_sdp_is_refused_and_the_relay_goes_on(sqlite_world, sdp, stubs):
    media, channel = stubs
    request = media.OfferRequest(tenant_id=sqlite_world.tenant["id"], call_reference=f"bad-{abs(hash(sdp))}", sdp=sdp)
    with pytest.raises(grpc.RpcError) as error:
        channel.unary_unary("/flattone.media.v1.MediaService/Offer", request_serializer=lambda m: m.SerializeToString())(request, timeout=5)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "sdp" in error.value.details()
    call = sqlite_world.call()
    call.hang_up()


@pytest.fixture(scope="module")
def stubs(sqlite_world):
    """The media messages as Python classes and a channel with the edge's certificate."""
    with contracts.channel(sqlite_world.fleet, "edge-demo", sqlite_world.fleet[RELAY]) as channel:
        yield contracts.load("flattone.media.v1.media").pb2, channel


def test_malformed_rtp_is_counted_and_dropped(sqlite_world, stubs):
    media, channel = stubs
    call = sqlite_world.call()
    query = channel.unary_unary("/flattone.media.v1.MediaService/QueryCall", request_serializer=lambda m: m.SerializeToString(),
                                response_deserializer=media.QueryCallResponse.FromString)
    request = media.QueryCallRequest(tenant_id=sqlite_world.tenant["id"], call_reference=call.reference)
    legs = query(request, timeout=5).call.legs
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as spray:
        for leg in legs:
            for data in (b"", b"\x80", b"\x00" * 12, b"\xff" * 200, b"\x80\x00" + b"\x01" * 10 + b"x" * 1400):
                spray.sendto(data, (leg.local_address, leg.local_port))

    def counted():
        now = query(request, timeout=5).statistics
        sides = (now.caller_to_agent, now.agent_to_caller)
        return sum(s.dropped_source + s.dropped_malformed for s in sides) >= 4
    eventually(counted, what="drops are counted")
    statistics = call.hang_up()
    assert int(statistics["relay"]["caller_to_agent"]["packets_sent"]) > 0
