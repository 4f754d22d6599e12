"""The fleet's contracts as Python modules, made from proto/ once per program.

    vault = contracts.load("flattone.vault.v1.vault")     # .pb2, .grpc
    stub = vault.grpc.KeyIntakeServiceStub(contracts.channel(fleet, "dtmf-masking", fleet["tokenisation-vault"]))
"""

import functools
import importlib
import pathlib
import subprocess
import sys
import tempfile
import types

import grpc

from fleet import TOP


@functools.cache
def _made():
    """A folder, gone with this program, that holds every module, and all.binpb: the descriptors with what they import."""
    folder = tempfile.TemporaryDirectory(prefix="flattone-contracts-")
    out, site = folder.name, next(pathlib.Path(p) for p in sys.path if p.endswith("site-packages"))
    protos = [str(p) for p in (TOP / "proto").rglob("*.proto")]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{TOP / 'proto'}", f"-I{site}", f"--python_out={out}", f"--grpc_python_out={out}",
                    "--include_imports", f"--descriptor_set_out={out}/all.binpb", *protos], check=True)
    sys.path.insert(0, out)
    return folder


def load(name):
    """The modules of proto/<name as path>.proto."""
    _made()
    return types.SimpleNamespace(pb2=importlib.import_module(f"{name}_pb2"), grpc=importlib.import_module(f"{name}_pb2_grpc"))


def methods():
    """Every RPC of the contracts: (service, method, client streams)."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    files = FileDescriptorSet.FromString((pathlib.Path(_made().name) / "all.binpb").read_bytes()).file
    return [(f"{file.package}.{service.name}", method.name, method.client_streaming)
            for file in files for service in file.service for method in service.method]


def channel(fleet, identity, process):
    """A channel to a process of the fleet, as one of its identities."""
    pki = fleet.dir / "pki"
    ca, key, certificate = (pki / name for name in ("ca.pem", f"{identity}.key", f"{identity}.pem"))
    return grpc.secure_channel(f"localhost:{process.ports['grpc']}",
                               grpc.ssl_channel_credentials(ca.read_bytes(), key.read_bytes(), certificate.read_bytes()))
