"""The operator's command line against real services: what it does, what it refuses, what it never shows."""

import json
import sqlite3
import subprocess
import time

import pytest

from fleet import ADAPTER, VAULT, Fleet, FleetError


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with Fleet(tmp_path_factory.mktemp("operator")) as fleet:
        fleet.up(services=(VAULT, ADAPTER), provision=False)
        yield fleet
    assert not fleet.faults()


def run(fleet, *arguments, identity="operator", **more):
    pki = fleet.dir / "pki"
    return subprocess.run([fleet.program("flattonectl"), "--gateway-address", fleet[ADAPTER].address(), "--vault-address", fleet[VAULT].address(),
                           "--tls-cert", pki / f"{identity}.pem", "--tls-key", pki / f"{identity}.key", "--tls-ca", pki / "ca.pem",
                           *map(str, arguments)], capture_output=True, text=True, timeout=60, **more)


def test_a_credential_goes_in_by_file_or_standard_input_and_never_comes_out(fleet):
    secret = "sk_test_" + "Zq7" * 8
    done = run(fleet, "--output", "json", "psp", "put", "--tenant", "ten_one", "--mode", "test", "--psp", "sandbox-stripe",
               "--credential", "secret_key=-", input=secret + "\n")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["credential_fields"] == ["secret_key"]
    listed = run(fleet, "psp", "list", "--tenant", "ten_one")
    audit = run(fleet, "audit", "gateway")
    assert "secret_key" in listed.stdout and "psp_account.put" in audit.stdout and "operator" in audit.stdout
    everywhere = [listed.stdout, audit.stdout, *(p.log.read_text() for p in fleet.processes.values())]
    assert not any(secret in text for text in everywhere)
    assert secret.encode() not in b"".join(p.read_bytes() for p in (fleet.dir / "data").glob(f"{ADAPTER}.db*"))


def test_a_credential_as_an_argument_is_refused_without_being_repeated(fleet):
    done = run(fleet, "psp", "put", "--tenant", "ten_one", "--mode", "test", "--psp", "sandbox", "--credential", "api_key=sbx_oops")
    assert done.returncode == 2 and "never an argument" in done.stderr and "oops" not in done.stderr + done.stdout


def test_live_mode_does_not_reach_a_test_psp(fleet):
    done = run(fleet, "psp", "put", "--tenant", "ten_one", "--mode", "live", "--psp", "sandbox", "--credential", "api_key=-", input="sbx_a")
    assert done.returncode != 0 and "psp" in done.stderr


@pytest.mark.parametrize("arguments, status, words", [
    (("psp", "list"), 2, "--tenant is required"),
    (("psp", "list", "--tenant", "ten_one", "--page-size", "many"), 2, "--page-size is 'many'"),
    (("psp", "put", "--tenant", "t", "--mode", "prod", "--psp", "x", "--credential", "a=-"), 2, "one of test, live"),
    (("sing",), 2, ""),
    (("token", "get", "--tenant", "ten_one", "--token", "tok_none"), 1, "NOT_FOUND"),
    (("tenant", "list", "--session-address", "127.0.0.1:1", "--timeout", "2"), 1, "UNAVAILABLE"),
])
def test_what_it_cannot_do_it_says_with_its_own_exit_status(fleet, arguments, status, words):
    done = run(fleet, *arguments, input="")
    assert done.returncode == status and words in done.stderr


def test_only_the_operators_certificate_is_taken(fleet):
    done = run(fleet, "audit", "vault", identity="gateway-adapter")
    assert done.returncode == 2 and "is not the certificate of spiffe://flattone.local/operator" in done.stderr


def test_a_changed_row_of_the_audit_chain_is_found(fleet):
    run(fleet, "tenant", "rotate-key", "--tenant", "ten_chain")
    run(fleet, "tenant", "rotate-key", "--tenant", "ten_chain")
    whole = run(fleet, "audit", "verify")
    assert whole.returncode == 0 and "yes" in whole.stdout
    with sqlite3.connect(fleet.dir / "data" / f"{VAULT}.db", timeout=10) as database:
        (sequence,) = database.execute("SELECT max(sequence) - 1 FROM audit").fetchone()
        database.execute("UPDATE audit SET tenant_id = 'ten_other' WHERE sequence = ?", (sequence,))
    broken = run(fleet, "--output", "json", "audit", "verify")
    assert broken.returncode == 4
    assert json.loads(broken.stdout)["broken_sequence"] == str(sequence)


def test_a_config_error_names_the_key_and_help_explains(fleet):
    for binary in (VAULT, ADAPTER):
        program = str(fleet.program(binary))
        done = subprocess.run([program, "--grpc-address", "nowhere"], capture_output=True, text=True)
        assert done.returncode == 2 and "FLATTONE_GRPC_ADDRESS" in done.stderr and "host:port" in done.stderr
        text = subprocess.run([program, "--help"], capture_output=True, text=True).stdout
        assert all(flag in text for flag in ("--tls-cert", "--database", "--shutdown-deadline", "--config", "FLATTONE_"))
        assert subprocess.run([program, "--version"], capture_output=True, text=True).stdout.startswith(binary)


def test_a_second_process_on_the_port_is_refused_and_the_first_goes_on(fleet, tmp_path):
    first = fleet[VAULT]
    other = Fleet(tmp_path / "second")
    other.flags = {VAULT: ["--grpc-address", first.address()]}
    with pytest.raises(FleetError, match="grpc-address"):
        other.up(services=(VAULT,), provision=False)
    assert first.alive and run(fleet, "audit", "vault").returncode == 0


def test_sigterm_ends_a_service_within_its_deadline_with_status_0(fleet):
    start = time.monotonic()
    assert fleet[ADAPTER].terminate(20) == 0
    assert time.monotonic() - start < 15
    fleet[ADAPTER].start()
