"""A tenant sees its own only, and every RPC answers only to those whom the identity table names."""

import time

import grpc
import pytest

import contracts
from fleet import ADAPTER, MASKER, ORCHESTRATOR, RELAY, VAULT
from world import Problem

# Who may call what, written down a second time from the design: the code's table has to agree with it.
ALLOWED = {
    "flattone.media.v1.MediaService": {"edge/demo"},
    "flattone.media.v1.SecureMediaService": {"session-orchestration"},
    "flattone.masking.v1.MaskingService": {"media-relay"},
    "flattone.vault.v1.CaptureService": {"session-orchestration"},
    "flattone.vault.v1.KeyIntakeService": {"dtmf-masking"},
    "flattone.vault.v1.CardReleaseService": {"gateway-adapter"},
    "flattone.vault.v1.VaultAdminService": {"operator"},
    "flattone.gateway.v1.PaymentGatewayService": {"session-orchestration"},
    "flattone.gateway.v1.GatewayAdminService": {"operator"},
    "flattone.session.v1.FleetService": {"media-relay"},
    "flattone.session.v1.SessionAdminService": {"operator"},
}
PUBLIC = {"flattone.session.v1.SessionService", "flattone.session.v1.PlatformService"}
HOSTS = {"media": RELAY, "masking": MASKER, "vault": VAULT, "gateway": ADAPTER, "session": ORCHESTRATOR}
IDENTITIES = ["media-relay", "dtmf-masking", "tokenisation-vault", "gateway-adapter", "session-orchestration", "operator", "edge/demo"]


@pytest.fixture(scope="module")
def methods():
    """Every RPC of the contracts: (service, method, client streams)."""
    return contracts.methods()


def attempt(channel, service, method, streaming, seconds=3):
    path = f"/{service}/{method}"
    try:
        if streaming:
            call = channel.stream_stream(path)(iter([b""]), timeout=seconds)
        else:
            call = channel.unary_stream(path)(b"", timeout=seconds)
        next(iter(call), None)
        return grpc.StatusCode.OK
    except grpc.RpcError as error:
        return error.code()


def test_every_rpc_with_every_identity(sqlite_world, methods):
    wrong, tried = [], 0
    for identity in IDENTITIES:
        channels = {name: contracts.channel(sqlite_world.fleet, identity.replace("/", "-"), sqlite_world.fleet[binary]) for name, binary in HOSTS.items()}
        for service, method, streaming in methods:
            if service in PUBLIC:
                continue  # the public API: its credential is a key, tested below
            code = attempt(channels[service.split(".")[1]], service, method, streaming)
            allowed = identity in ALLOWED[service]
            tried += 1
            if (code == grpc.StatusCode.PERMISSION_DENIED) == allowed:
                wrong.append(f"{identity} {service}.{method}: {code}")
        for channel in channels.values():
            channel.close()
    assert wrong == []
    assert tried >= 7 * 40


def test_without_a_client_certificate_no_internal_port_answers(sqlite_world, methods):
    ca = (sqlite_world.fleet.dir / "pki" / "ca.pem").read_bytes()
    for name, binary in HOSTS.items():
        with grpc.secure_channel(f"localhost:{sqlite_world.fleet[binary].ports['grpc']}", grpc.ssl_channel_credentials(ca)) as channel:
            service, method, streaming = next(m for m in methods if m[0].startswith(f"flattone.{name}."))
            assert attempt(channel, service, method, streaming) == grpc.StatusCode.UNAVAILABLE


def test_the_public_listener_serves_no_internal_rpc(sqlite_world, methods):
    end = sqlite_world.fleet.endpoints()
    ca = open(end["public_ca"], "rb").read()
    port = end["public_grpc"][0].rsplit(":", 1)[1]
    with grpc.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials(ca)) as channel:
        for service, method, streaming in methods:
            code = attempt(channel, service, method, streaming)
            expected = grpc.StatusCode.UNAUTHENTICATED if service in PUBLIC else grpc.StatusCode.UNIMPLEMENTED
            assert code == expected, f"{service}.{method}"


@pytest.fixture(scope="module")
def other(sqlite_world):
    """Tenant B and its API."""
    tenant = sqlite_world.fleet.add_tenant("Other shop")
    return tenant, sqlite_world.api_of(tenant)


def test_another_tenant_starting_a_capture_on_a_live_call_finds_nothing_and_changes_nothing(sqlite_world, other, edge):
    world = sqlite_world
    call = world.call()

    def relays_view():
        """The call's secure state, capture, legs and the rest, as the relay itself tells it."""
        return edge.query(call.reference).call

    def theirs_find_nothing():
        session = world.session(call, api=other[1])
        with pytest.raises(Problem) as theirs:
            session.start()
        unknown = world.session("no-such-call", api=other[1])
        with pytest.raises(Problem) as nothing:
            unknown.start()
        assert theirs.value.status == nothing.value.status == 404
        assert theirs.value.problem["code"] == nothing.value.problem["code"] == "call_not_found"

    time.sleep(0.5)  # the relay has learnt both addresses
    plain = relays_view()
    assert plain.secure_state == edge.media.SECURE_STATE_PLAIN
    theirs_find_nothing()
    time.sleep(0.5)
    assert relays_view() == plain
    assert edge.counts(call.reference).frames_masked == 0
    # And while its own tenant captures: the same capture has it afterwards.
    own = world.session(call)
    own.start()
    call.type("4111")
    own.await_count("PAN", 4)
    secure = relays_view()
    assert secure.secure_state == edge.media.SECURE_STATE_SECURE and secure.capture_id
    theirs_find_nothing()
    assert relays_view() == secure
    call.type("11")
    own.await_count("PAN", 6)
    own.act("cancel")
    assert call.hang_up()["relay"]["captures"] == 1


def test_another_tenants_objects_do_not_exist(sqlite_world, other):
    world, (_, api) = sqlite_world, other
    call, session, _ = world.ready_session()
    payment = session.pay()
    for path in (f"/v1/sessions/{session.id}", f"/v1/sessions/{session.id}/events", f"/v1/payments/{payment['id']}",
                 f"/v1/webhookEndpoints/{world.endpoint['id']}", f"/v1/webhookEndpoints/{world.endpoint['id']}/deliveries"):
        with pytest.raises(Problem) as refused:
            api.get(path)
        assert refused.value.status == 404, path
    for action in ("startCapture", "pay", "cancel", "end"):
        with pytest.raises(Problem) as refused:
            api.post(f"/v1/sessions/{session.id}:{action}")
        assert refused.value.status == 404, action
    for action in ("capture", "void", "refund"):
        with pytest.raises(Problem) as refused:
            api.post(f"/v1/payments/{payment['id']}:{action}")
        assert refused.value.status == 404, action
    text = str([api.get("/v1/sessions"), api.get("/v1/payments"), api.get("/v1/events")])
    assert session.id not in text and payment["id"] not in text
    call.hang_up()


def test_a_revoked_key_is_refused_within_five_seconds(sqlite_world):
    world = sqlite_world
    tenant = world.fleet.add_tenant("Shop that loses its key")
    api = world.api_of(tenant)
    api.get("/v1/sessions")
    world.fleet.ctl("key", "revoke", "--key", tenant["key_id"])
    end = time.monotonic() + 5
    while True:
        try:
            api.get("/v1/sessions")
        except Problem as refused:
            assert refused.status == 401
            break
        assert time.monotonic() < end, "a revoked key was still accepted after five seconds"
        time.sleep(0.1)
