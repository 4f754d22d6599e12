"""Everything bad at once, while a caller types: each is refused with field and limit and counted, by both doors, and the
call in capture notices nothing: its card is complete and its payment goes through, once."""

import json
import socket
import ssl
import threading
import time
import uuid

import grpc
import pytest
import requests

import contracts
from fleet import ORCHESTRATOR, RELAY
from world import eventually


@pytest.fixture(scope="module")
def contract():
    """The session and media messages as Python classes."""
    return {name: contracts.load(f"flattone.{name}").pb2 for name in ("common.v1.common", "media.v1.media", "session.v1.session")}


@pytest.fixture(scope="module")
def public(sqlite_world, contract):
    """One call of the public gRPC door: call("CreateSession", request) → the status code and the ErrorDetail."""
    end = sqlite_world.fleet.endpoints()
    channel = grpc.secure_channel("localhost:" + end["public_grpc"][0].rsplit(":", 1)[1], grpc.ssl_channel_credentials(open(end["public_ca"], "rb").read()))

    def call(method, request, key=None, credential=None):
        metadata = [("authorization", f"Bearer {credential or sqlite_world.tenant['key']}"), ("idempotency-key", key or str(uuid.uuid4()))]
        try:
            channel.unary_unary(f"/flattone.session.v1.SessionService/{method}")(request.SerializeToString(), metadata=metadata, timeout=20)
        except grpc.RpcError as error:
            return error.code(), error.details(), detail_of(contract, error)
        return grpc.StatusCode.OK, "", None
    yield call
    channel.close()


def detail_of(contract, error):
    """ErrorDetail from the google.rpc.Status in the trailing metadata."""
    from google.rpc import status_pb2
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for any in status_pb2.Status.FromString(value).details:
                found = contract["common.v1.common"].ErrorDetail()
                if any.Unpack(found):
                    return found
    return None


def create(contract, **changes):
    session = contract["session.v1.session"].CreateSessionRequest().session
    session.call_reference, session.agent = "c", changes.pop("agent", "amal")
    session.intent.order_reference, session.intent.purpose = "o", changes.pop("purpose", 1)
    session.intent.amount.amount_minor, session.intent.amount.currency_code = changes.pop("amount", 100), changes.pop("currency", "EUR")
    return contract["session.v1.session"].CreateSessionRequest(session=session)


@pytest.mark.parametrize("changes, field", [
    ({"amount": 0}, "amount_minor"), ({"amount": -1}, "amount_minor"), ({"amount": 10**12}, "amount_minor"), ({"currency": "XXQ"}, "currency_code"),
    ({"purpose": 99}, "purpose"), ({"purpose": 0}, "purpose"), ({"agent": ""}, "agent"), ({"agent": "x" * 129}, "agent"), ({"agent": "a\0b"}, "request"),
])
def test_the_grpc_door_names_field_and_limit_as_the_rest_door_does(public, contract, changes, field):
    code, details, detail = public("CreateSession", create(contract, **changes))
    assert code == grpc.StatusCode.INVALID_ARGUMENT, details
    assert detail is not None and field in detail.field and detail.code and detail.limit, (details, detail)


def test_the_grpc_door_refuses_wrong_states_keys_and_sizes(public, contract, sqlite_world):
    sessions = contract["session.v1.session"]
    session = sqlite_world.session("not-yet")
    code, _, detail = public("Pay", sessions.PayRequest(session_id=session.id))
    assert (code, detail.code) == (grpc.StatusCode.FAILED_PRECONDITION, "capture_incomplete")
    code, _, detail = public("StartCapture", sessions.StartCaptureRequest(session_id=session.id))
    assert (code, detail.code) == (grpc.StatusCode.NOT_FOUND, "call_not_found")
    code, _, detail = public("GetSession", sessions.GetSessionRequest(session_id="ses_none"))
    assert (code, detail.code) == (grpc.StatusCode.NOT_FOUND, "session_not_found")
    assert public("CreateSession", create(contract), key="again")[0] == grpc.StatusCode.OK
    code, _, detail = public("CreateSession", create(contract, amount=101), key="again")
    assert (code, detail.code) == (grpc.StatusCode.INVALID_ARGUMENT, "idempotency_key_reused")
    code, details, _ = public("CreateSession", create(contract, agent="x" * 10_000_000))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED and any(c.isdigit() for c in details), details
    assert public("ListSessions", sessions.ListSessionsRequest(), credential="ft_test_wrong")[0] == grpc.StatusCode.UNAUTHENTICATED


def slow_client(world, seconds):
    """Headers, byte by byte: True when the server cut it off with 408 or a close."""
    host, port = world.api.base.removeprefix("https://").split(":")
    context = ssl.create_default_context(cafile=world.api.ca)
    with socket.create_connection((host, int(port)), 5) as raw, context.wrap_socket(raw, server_hostname=host) as slow:
        slow.settimeout(0.5)
        end = time.monotonic() + seconds
        slow.sendall(b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        while time.monotonic() < end:
            try:
                slow.sendall(b"X")
                answer = slow.recv(100)
                return answer == b"" or answer.startswith(b"HTTP/1.1 408")
            except TimeoutError:
                continue
            except OSError:
                return True
    return False


def test_a_call_in_capture_goes_on_while_everything_bad_comes_in(sqlite_world, contract, public):
    world, media = sqlite_world, contract["media.v1.media"]
    orchestrator, relay = world.fleet[ORCHESTRATOR], world.fleet[RELAY]
    edge = contracts.channel(world.fleet, "edge-demo", relay)
    call = world.call()
    query = edge.unary_unary("/flattone.media.v1.MediaService/QueryCall", request_serializer=lambda m: m.SerializeToString(),
                             response_deserializer=media.QueryCallResponse.FromString)
    asked = media.QueryCallRequest(tenant_id=world.tenant["id"], call_reference=call.reference)
    legs = query(asked, timeout=5).call.legs
    session = world.session(call)
    session.start()
    before, relay_before = orchestrator.metrics(), relay.metrics()
    stop, rounds, wrong = threading.Event(), [0], []

    def expect(what, condition):
        if not condition:
            wrong.append(what)

    def storm():
        api = world.api
        headers = {"Authorization": f"Bearer {api.key}", "Content-Type": "application/json"}
        offer = edge.unary_unary("/flattone.media.v1.MediaService/Offer", request_serializer=lambda m: m.SerializeToString())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as spray:
            while not stop.is_set():
                rounds[0] += 1
                for status, body in ((400, b"{"), (400, b'{"agent": 5}'), (400, json.dumps({"agent": "a", "intent": {"purpose": "PURPOSE_STEAL"}}).encode()), (413, b"x" * 10_000_000)):
                    answer = requests.post(api.base + "/v1/sessions", data=body, verify=api.ca, timeout=20, headers={**headers, "Idempotency-Key": str(uuid.uuid4())})
                    expect(f"{body[:30]}: {answer.status_code}", answer.status_code == status and answer.json()["code"])
                code, _, _ = public("Pay", contract["session.v1.session"].PayRequest(session_id="ses_none"))
                expect(f"gRPC {code}", code == grpc.StatusCode.NOT_FOUND)
                for leg in legs:
                    if leg.local_address.count(".") == 3:
                        for data in (b"", b"\x80", b"\xff" * 200, b"\x80\x65" + b"\x01" * 10 + b"x" * 1400):
                            spray.sendto(data, (leg.local_address, leg.local_port))
                try:
                    offer(media.OfferRequest(tenant_id=world.tenant["id"], call_reference=f"bad-{rounds[0]}", sdp="v=0\r\nm=audio 99999 RTP/AVP 0\r\n"), timeout=5)
                    expect("a malformed SDP was taken", False)
                except grpc.RpcError as error:
                    expect(f"SDP {error.code()}", error.code() == grpc.StatusCode.INVALID_ARGUMENT)

    slow = []
    threads = [threading.Thread(target=storm, daemon=True), threading.Thread(target=lambda: slow.append(slow_client(world, 40)), daemon=True)]
    for thread in threads:
        thread.start()
    card = world.card()
    call.type_card(card)
    session.ready(30)
    payment = session.pay()
    stop.set()
    for thread in threads:
        thread.join(60)
    edge.close()
    assert wrong == [] and rounds[0] >= 2
    assert slow == [True], "a client that sends one byte at a time was never cut"
    assert payment["state"] == "PAYMENT_STATE_CAPTURED" and payment["last_four"] == card[0][-4:]
    assert len(world.charges(payment)) == 1
    after = orchestrator.metrics()

    def moved(series):
        return after.get(series, 0) - before.get(series, 0)
    assert moved('flattone_session_rest_refusals_total{status="400"}') >= 3 * rounds[0]
    assert moved('flattone_session_refusals_total{code="session_not_found"}') >= rounds[0]
    assert moved('flattone_session_http_refused_total{reason="body_too_large"}') >= rounds[0]
    assert moved('flattone_session_http_refused_total{reason="too_slow"}') >= 1

    malformed = "flattone_relay_malformed_sdp_total"
    assert relay.metrics()[malformed] - relay_before.get(malformed, 0) == rounds[0]

    def dropped():
        now = sum(value for name, value in relay.metrics().items() if name.startswith("flattone_relay_dropped_packets_total"))
        return now >= 4
    eventually(dropped, what="the garbage was counted by the relay")
    call.hang_up()
