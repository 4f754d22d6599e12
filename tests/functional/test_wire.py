"""What somebody on the wire could try: swap, repeat, reorder or move sealed keys; stand at the vault's address with another
service's certificate. The real vault is asked with the masker's identity; the impostor is a TLS server that writes down
who came and what they sent.
"""

import secrets
import socket
import ssl
import threading
import time

import grpc
import pytest

import contracts
import hpke
from fleet import ADAPTER, MASKER, ORCHESTRATOR, VAULT
from world import Problem, World, eventually


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with World(tmp_path_factory.mktemp("wire"), database="sqlite", gates=True) as world:
        yield world


@pytest.fixture(scope="module")
def vault(world):
    module = contracts.load("flattone.vault.v1.vault")
    module.common = contracts.load("flattone.common.v1.common")
    process = world.fleet[VAULT]
    with contracts.channel(world.fleet, MASKER, process) as masker, contracts.channel(world.fleet, ORCHESTRATOR, process) as orchestrator:
        module.intake = module.grpc.KeyIntakeServiceStub(masker)
        module.captures = module.grpc.CaptureServiceStub(orchestrator)
        yield module


class Capture:
    """A capture at the real vault, and its masker."""

    def __init__(self, world, vault):
        self.vault, self.process = vault, world.fleet[VAULT]
        self.tenant, self.id = "ten_" + secrets.token_hex(13), "cap_" + secrets.token_hex(13)
        rules = vault.pb2.CaptureRules(fields=[vault.pb2.FieldRule(field=1)])
        vault.captures.OpenCapture(vault.pb2.OpenCaptureRequest(tenant_id=self.tenant, capture_id=self.id,
                                                                session_id="ses_" + secrets.token_hex(13), rules=rules))
        self.public_key = self.begin(1)

    def begin(self, epoch):
        return self.vault.intake.GetCaptureKey(self.vault.pb2.GetCaptureKeyRequest(
            tenant_id=self.tenant, capture_id=self.id, masker_epoch=epoch)).public_key

    def seal(self, ordinal, symbol, epoch=1):
        return hpke.seal_key(self.public_key, self.tenant, self.id, epoch, ordinal, 160 * ordinal, symbol)

    def submit(self, ordinal, sealed, epoch=1, onset=None):
        """"ok", or the refusal's code."""
        request = self.vault.pb2.SubmitKeyRequest(tenant_id=self.tenant, capture_id=self.id, masker_epoch=epoch, ordinal=ordinal,
                                                  rtp_onset=160 * ordinal if onset is None else onset, sealed_key=sealed)
        try:
            self.vault.intake.SubmitKey(request)
            return "ok"
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"

    def pan(self):
        status = self.vault.captures.GetCapture(self.vault.pb2.GetCaptureRequest(tenant_id=self.tenant, capture_id=self.id))
        return status.fields[0]

    def counted(self, outcome):
        return self.process.metric("flattone_vault_keys_total", outcome=outcome)


    def cancel(self):
        self.vault.captures.CancelCapture(self.vault.pb2.CancelCaptureRequest(tenant_id=self.tenant, capture_id=self.id))


@pytest.fixture
def capture(world, vault):
    capture = Capture(world, vault)
    for ordinal, symbol in enumerate("4539", 1):  # the control: genuine keys count, so this masker seals as the real one does
        assert capture.submit(ordinal, capture.seal(ordinal, symbol)) == "ok"
    assert capture.pan().count == 4
    yield capture
    capture.cancel()


def audit(world, vault):
    """The vault's access records, as the operator reads them."""
    with contracts.channel(world.fleet, "operator", world.fleet[VAULT]) as operator:
        stub = vault.grpc.VaultAdminServiceStub(operator)
        return stub.ListAuditRecords(vault.pb2.ListAuditRecordsRequest(page_size=500)).records


def test_swapped_keys_are_refused_counted_and_audited(world, capture):
    five, six = capture.seal(5, "1"), capture.seal(6, "2")
    before = capture.counted("not_authentic")
    assert capture.submit(5, six).startswith("INVALID_ARGUMENT")
    assert capture.submit(6, five).startswith("INVALID_ARGUMENT")
    assert capture.counted("not_authentic") == before + 2
    assert capture.pan().count == 4
    assert [r.result for r in audit(world, capture.vault) if r.object == capture.id].count("key_not_authentic") == 2
    assert capture.submit(5, five) == "ok" and capture.pan().count == 5, "the genuine one still counts"


def test_a_repeated_key_changes_nothing_and_cannot_stand_for_the_next(capture):
    five = capture.seal(5, "1")
    assert capture.submit(5, five) == "ok"
    repeated, refused = capture.counted("repeated"), capture.counted("not_authentic")
    assert capture.submit(5, five) == "ok"
    assert capture.counted("repeated") == repeated + 1
    assert capture.submit(6, five).startswith("INVALID_ARGUMENT"), "the same press as the next key"
    assert capture.submit(6, five, onset=160 * 5).startswith("INVALID_ARGUMENT")
    assert capture.counted("not_authentic") == refused + 2
    assert capture.pan().count == 5


def test_keys_out_of_order_restart_the_field(capture):
    five, six = capture.seal(5, "1"), capture.seal(6, "2")
    before = capture.counted("after_gap")
    capture.submit(6, six)
    assert capture.counted("after_gap") == before + 1
    assert capture.pan().count == 0, "a lost key would pass the check digit one time in ten"
    repeated = capture.counted("repeated")
    capture.submit(5, five)
    assert capture.counted("repeated") == repeated + 1 and capture.pan().count == 0, "too late is never put in its old place"


def test_a_key_of_another_capture_or_of_a_replaced_masker_is_refused(world, vault, capture):
    other = Capture(world, vault)
    refused, stale = capture.counted("not_authentic"), capture.counted("stale_epoch")
    assert other.submit(1, capture.seal(1, "4")).startswith("INVALID_ARGUMENT")
    assert capture.counted("not_authentic") == refused + 1
    capture.begin(2)
    assert capture.submit(5, capture.seal(5, "1")).startswith("FAILED_PRECONDITION")
    assert capture.counted("stale_epoch") == stale + 1
    assert other.pan().count == 0
    other.cancel()


class Impostor:
    """A TLS server on the vault's port with another service's certificate."""

    def __init__(self, fleet, port, identity):
        pki = fleet.dir / "pki"
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pki / f"{identity}.pem", pki / f"{identity}.key")
        self.context.load_verify_locations(pki / "ca.pem")
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.set_alpn_protocols(["h2"])
        self.visitors, self.received = [], []
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        connection.settimeout(10)
        try:
            with self.context.wrap_socket(connection, server_side=True) as tls:
                names = [value for kind, value in tls.getpeercert()["subjectAltName"] if kind == "URI"]
                self.visitors += names
                while data := tls.recv(4096):
                    self.received.append((names, data))
        except OSError:  # the visitor hangs up in the handshake, as it should
            pass

    def visited_by(self, service):
        return [name for name in self.visitors if name.endswith("/" + service)]

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # else the thread in accept() keeps the port
        self.listener.close()


def speak_to(world, port):
    """The control: a client that does not ask who the server is is heard."""
    pki = world.fleet.dir / "pki"
    context = ssl.create_default_context(cafile=pki / "ca.pem")
    context.load_cert_chain(pki / "operator.pem", pki / "operator.key")
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost") as tls:
        tls.sendall(b"control")
        time.sleep(0.2)


def test_a_server_with_another_services_certificate_receives_no_key_and_no_card(world):
    paying, typing = world.call(), world.call()
    _, ready, _ = world.ready_session(paying)
    session = world.session(typing)
    session.start()
    card = world.card()
    typing.type(card[0][:6])
    session.await_count("PAN", 6)
    orchestrator, vault = world.fleet[ORCHESTRATOR], world.fleet[VAULT]
    orchestrator.hold("card_tokenised")
    threading.Thread(target=pay_quietly, args=(ready,), daemon=True).start()
    orchestrator.wait_reached("card_tokenised")
    port = vault.ports["grpc"]
    vault.kill()
    impostor = Impostor(world.fleet, port, ADAPTER)
    try:
        orchestrator.release("card_tokenised")  # the adapter asks for the card
        typing.type(card[0][6:10])              # the masker has keys to send
        for service in (MASKER, ADAPTER, ORCHESTRATOR):
            eventually(lambda: impostor.visited_by(service), 20, f"{service} at the impostor's door")
        payment = eventually(lambda: world.api.get(f"/v1/sessions/{ready.id}").get("payments"), 10, "the payment")[0]
        final = world.await_payment(payment, "FAILED", 30)
        assert world.charges(final) == []
        with pytest.raises(Problem) as refused:
            world.session(world.call()).start()
        assert refused.value.problem["code"] == "vault_unavailable"
        assert impostor.received == []
        speak_to(world, port)
        assert [data for _, data in impostor.received] == [b"control"]
    finally:
        impostor.close()
        vault.start()
        for call in (paying, typing):
            call.hang_up()


def pay_quietly(session):
    try:
        session.pay()
    except Problem:
        pass
