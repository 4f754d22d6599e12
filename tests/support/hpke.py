"""One key press sealed to a capture's key, written a second time from RFC 9180 and the contract: HPKE base mode with
DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305.
"""

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

KEM, SUITE = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x03"
INFO = b"flattone/key-press/v1"


def _extract(salt, suite, label, ikm):
    return hmac.new(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, hashlib.sha256).digest()


def _expand(key, suite, label, info, length):
    text = struct.pack(">H", length) + b"HPKE-v1" + suite + label + info
    out, block, n = b"", b"", 1
    while len(out) < length:
        block = hmac.new(key, block + text + bytes([n]), hashlib.sha256).digest()
        out, n = out + block, n + 1
    return out[:length]


def bound(*fields):
    """Every field with its length before it; numbers are eight bytes."""
    raw = [f if isinstance(f, bytes) else f.encode() if isinstance(f, str) else struct.pack(">Q", f) for f in fields]
    return b"".join(struct.pack(">I", len(f)) + f for f in raw)


def seal_key(public_key, tenant, capture, epoch, ordinal, onset, symbol):
    ephemeral = X25519PrivateKey.generate()
    enc = ephemeral.public_key().public_bytes_raw()
    agreed = ephemeral.exchange(X25519PublicKey.from_public_bytes(public_key))
    shared = _expand(_extract(b"", KEM, b"eae_prk", agreed), KEM, b"shared_secret", enc + public_key, 32)
    context = b"\x00" + _extract(b"", SUITE, b"psk_id_hash", b"") + _extract(b"", SUITE, b"info_hash", INFO)
    secret = _extract(shared, SUITE, b"secret", b"")
    key, nonce = _expand(secret, SUITE, b"key", context, 32), _expand(secret, SUITE, b"base_nonce", context, 12)
    return enc + ChaCha20Poly1305(key).encrypt(nonce, symbol.encode(), bound(INFO, tenant, capture, epoch, ordinal, onset))
