"""One form of a JSON value (RFC 8785), so that what is equal has the same digest and the same signature."""

import hashlib
from typing import Any

import rfc8785

LARGEST = 2**53 - 1  # the largest integer that every JSON reader holds exactly


def canonical(value: Any) -> bytes:
    """The value in the form of RFC 8785. That form knows only doubles: an integer that none holds is written as a
    text."""
    return rfc8785.dumps(_plain(value))


def digest_of(value: Any) -> str:
    """SHA-256, in hexadecimal, of the canonical form."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST:
        return str(value)
    return value
