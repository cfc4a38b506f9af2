"""Ed25519 signatures under receipts, exports and checkpoints. The key is the installation's, given by its environment;
who only verifies needs the public half, and neither Django nor a database.

A private key is 32 bytes, a public key too, both written in base64url. A signature is JSON:
{"algorithm": "Ed25519", "key": the first 16 hexadecimal digits of the public key's SHA-256, "value": base64url}, over
the canonical form (RFC 8785) of what is signed.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from approvals.canonical import canonical

ALGORITHM = "Ed25519"
Signature = dict[str, str]


class NotGenuine(Exception):
    """What is signed was altered, or is signed by another key, or not at all. The message says which."""


def key_of(text: str) -> Ed25519PrivateKey:
    """The private key in this text. Errors: ValueError."""
    return Ed25519PrivateKey.from_private_bytes(_unpacked(text, 32))


def public_key_of(text: str) -> Ed25519PublicKey:
    """The public key in this text. Errors: ValueError."""
    return Ed25519PublicKey.from_public_bytes(_unpacked(text, 32))


def public_text(key: Ed25519PublicKey) -> str:
    """What `public_key_of` reads."""
    return _packed(key.public_bytes_raw())


def key_name(key: Ed25519PublicKey) -> str:
    """What a signature calls the key."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def sign(value: Any, key: Ed25519PrivateKey) -> Signature:
    """The signature of a JSON value."""
    return {"algorithm": ALGORITHM, "key": key_name(key.public_key()), "value": _packed(key.sign(canonical(value)))}


def verify(value: Any, signature: Any, keys: Iterable[Ed25519PublicKey]) -> None:
    """Whether one of these keys has signed the JSON value. Errors: NotGenuine."""
    if not isinstance(signature, dict) or signature.get("algorithm") != ALGORITHM:
        raise NotGenuine("It carries no Ed25519 signature.")
    key = next((key for key in keys if key_name(key) == signature.get("key")), None)
    if key is None:
        raise NotGenuine(f"It was signed by the key {signature.get('key')!s:.32}, which was not given.")
    try:
        key.verify(_unpacked(str(signature.get("value")), 64), canonical(value))
    except (InvalidSignature, ValueError):
        raise NotGenuine("It was altered after it was signed.") from None


def _packed(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _unpacked(text: str, length: int) -> bytes:
    try:
        raw = base64.b64decode(text.strip() + "==", altchars=b"-_", validate=False)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != length:
        raise ValueError(f"This is not {length} bytes in base64url.")
    return raw
