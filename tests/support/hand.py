"""A masker without ears: seals keys to a running capture's key and sends them to its vault, with the masker's identity.

    Hand(world).type_card(session, tenant, card)      # the session is READY afterwards
"""

import threading

import grpc

import contracts
import hpke
from fleet import MASKER, VAULT
from world import eventually

EPOCH = 4_000_000_000  # greater than the real masker's, which begins at the time of day: this one has taken over


class Hand:
    def __init__(self, world):
        self.world = world
        self.vault = contracts.load("flattone.vault.v1.vault")
        self._channels, self._lock = {}, threading.Lock()

    def _stub(self, process):
        with self._lock:
            if process.name not in self._channels:
                self._channels[process.name] = contracts.channel(self.world.fleet, MASKER, process)
        return self.vault.grpc.KeyIntakeServiceStub(self._channels[process.name])

    def _take_over(self, tenant, capture):
        """The vault that holds the capture, and the capture's public key."""
        request = self.vault.pb2.GetCaptureKeyRequest(tenant_id=tenant["id"], capture_id=capture, masker_epoch=EPOCH)
        for process in self.world.fleet.all(VAULT):
            try:
                return self._stub(process), self._stub(process).GetCaptureKey(request, wait_for_ready=True, timeout=10).public_key
            except grpc.RpcError as error:
                last = error
        raise last

    def type_card(self, session, tenant, card):
        capture = session.get()["progress"]["capture_id"]
        stub, key = self._take_over(tenant, capture)
        # After a change of masker keys count again from a '*' on; '#' ends a field, and means nothing where it has ended.
        for ordinal, symbol in enumerate("*" + "".join(field + "#" for field in card), 1):
            sealed = hpke.seal_key(key, tenant["id"], capture, EPOCH, ordinal, 1600 * ordinal, symbol)
            stub.SubmitKey(self.vault.pb2.SubmitKeyRequest(tenant_id=tenant["id"], capture_id=capture, masker_epoch=EPOCH, ordinal=ordinal,
                                                           rtp_onset=1600 * ordinal, sealed_key=sealed), timeout=10)
        eventually(lambda: session.get()["state"] == "SESSION_STATE_READY", 15, "the session is ready")
