"""Certificates that are renewed while the fleet runs."""

import ssl
import subprocess
import time

from world import TOP, eventually


def shown(address):
    """The certificate, PEM, that a new connection is shown."""
    host, port = address.split("://")[-1].rsplit(":", 1)
    return ssl.get_server_certificate((host, int(port))).strip()


def test_a_renewed_public_certificate_is_shown_to_new_clients_and_its_end_is_watched(sqlite_world):
    world = sqlite_world
    orchestrator, pki = world.fleet["session-orchestration"], world.fleet.dir / "pki"
    certificate = pki / "public.pem"
    before = certificate.read_text().strip()
    assert shown(world.rest[0]) == before
    (pki / "public.san").unlink()  # tools/pki makes it anew
    subprocess.run([TOP / "tools" / "pki", pki, "--edge", world.fleet.edge, "--days", "5"], check=True)
    renewed = certificate.read_text().strip()
    assert renewed != before
    for address in (world.rest[0], orchestrator.address("public_grpc")):
        eventually(lambda: shown(address) == renewed, 40, f"the new certificate at {address}")
    assert world.api.get("/v1/sessions?page_size=1") is not None
    days = (orchestrator.metric("flattone_tls_certificate_end_seconds", listener="public") - time.time()) / 86400
    assert 4 < days < 6
