"""The installation's signing key, as the settings give it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Tags, register

from approvals import signing
from approvals.signing import Signature

MISSING = (
    "COUNTERSIGN_SIGNING_KEY is not set: decisions carry no receipt, exports and checkpoints of the audit are unsigned."
)
MALFORMED = "COUNTERSIGN_SIGNING_KEY is not 32 bytes in base64url."
HINT = 'Make one by: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'


def signing_key() -> Ed25519PrivateKey | None:
    """The key that signs; None when the installation has none."""
    text: str = settings.APPROVALS["SIGNING_KEY"]
    return signing.key_of(text) if text else None


def signed(value: Any) -> Signature | None:
    """The installation's signature of a JSON value; None when it has no key."""
    key = signing_key()
    return signing.sign(value, key) if key else None


def known_keys(given: Iterable[str]) -> list[Ed25519PublicKey]:
    """The public keys that were given as texts or as files that hold one; the installation's own when none is. Errors:
    ValueError."""
    texts = [Path(item).read_text() if Path(item).is_file() else item for item in given]
    if texts:
        return [signing.public_key_of(text) for text in texts]
    key = signing_key()
    return [key.public_key()] if key else []


@register(Tags.security)
def malformed_key(**_options: Any) -> list[CheckMessage]:
    """A key that is set must be one."""
    try:
        signing_key()
    except ValueError:
        return [checks.Error(MALFORMED, HINT, id="approvals.E001")]
    return []


@register(Tags.security, deploy=True)
def missing_key(**_options: Any) -> list[CheckMessage]:
    """An installation without a key works, and should know what it does without."""
    return [] if settings.APPROVALS["SIGNING_KEY"] else [checks.Warning(MISSING, HINT, id="approvals.W001")]
