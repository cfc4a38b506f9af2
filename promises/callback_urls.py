"""Signed addresses by which somebody without an account settles one latent promise. A token says which, and until
when."""

from dataclasses import dataclass

from django.conf import settings
from django.core import signing

from promises.records import PromiseRecord
from promises.times import now_ms

SALT = "promises.callback"  # the purpose: a signature made for anything else is not accepted here
LONGEST_MS = 365 * 86_400_000
# Promises that settle by other means: a worker's function, a timer, a person's decision.
OCCUPIED_TAGS = ("resonate:target", "resonate:timer", "countersign:approval")


class InvalidToken(Exception):
    """This address was not made by this server, or it was cut off on the way."""

    status = 404
    code = "InvalidToken"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows: to settle `promise_id` until `expires_at` (ms)."""

    promise_id: str
    expires_at: int


def callback_url(promise_id: str, timeout_at: int, *, now: int | None = None) -> str:
    """The absolute address that settles the promise until its deadline, or for a year from `now` (ms) if that
    comes first."""
    public_url = settings.PROMISES["PUBLIC_URL"]
    return f"{public_url}/callbacks/{callback_token(promise_id, timeout_at, now=now_ms() if now is None else now)}/"


def callback_token(promise_id: str, timeout_at: int, *, now: int) -> str:
    """The signed part of the address: letters, digits, `-`, `_` and `.` only."""
    expires_at = min(timeout_at, now + LONGEST_MS)
    return _signer().sign_object({"p": promise_id, "e": expires_at})


def token_grant(token: str) -> Grant:
    """What `token` allows, expired or not; raises InvalidToken when it is not ours."""
    try:
        content = _signer().unsign_object(token)
        return Grant(content["p"], content["e"])
    except (signing.BadSignature, ValueError, KeyError, TypeError):
        raise InvalidToken(InvalidToken.__doc__) from None


def is_latent(promise: PromiseRecord) -> bool:
    """Whether the promise waits for somebody outside, so that an address to settle it makes sense."""
    is_step = promise.tags.get("resonate:scope") == "local"
    return not is_step and not any(promise.tags.get(tag) for tag in OCCUPIED_TAGS)


def _signer() -> signing.Signer:
    return signing.Signer(salt=SALT, sep=".")
