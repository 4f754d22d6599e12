"""The fleet's contracts as Python modules, made from proto/ when a test asks for them.

    vault = contracts.load(tmp_path, "flattone.vault.v1.vault")     # .pb2, .grpc
    stub = vault.grpc.KeyIntakeServiceStub(contracts.channel(fleet, "dtmf-masking", fleet["tokenisation-vault"]))
"""

import importlib
import pathlib
import subprocess
import sys
import types

import grpc

from fleet import TOP


def load(directory, name):
    """The modules of proto/<name as path>.proto."""
    out = pathlib.Path(directory) / "contracts"
    if not out.exists():
        out.mkdir()
        site = next(pathlib.Path(p) for p in sys.path if p.endswith("site-packages"))
        protos = [str(p) for p in (TOP / "proto").rglob("*.proto")]
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{TOP / 'proto'}", f"-I{site}", f"--python_out={out}",
                        f"--grpc_python_out={out}", *protos], check=True)
    sys.path.insert(0, str(out))
    try:
        return types.SimpleNamespace(pb2=importlib.import_module(f"{name}_pb2"), grpc=importlib.import_module(f"{name}_pb2_grpc"))
    finally:
        sys.path.remove(str(out))


def channel(fleet, identity, process):
    """A channel to a process of the fleet, as one of its identities."""
    pki = fleet.dir / "pki"
    ca, key, certificate = (pki / name for name in ("ca.pem", f"{identity}.key", f"{identity}.pem"))
    return grpc.secure_channel(f"localhost:{process.ports['grpc']}",
                               grpc.ssl_channel_credentials(ca.read_bytes(), key.read_bytes(), certificate.read_bytes()))
