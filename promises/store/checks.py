"""What a well-formed request is: the 400s of the protocol, found before the database is asked."""

import re
from collections.abc import Mapping

from promises.errors import BadRequest
from promises.states import SETTLE_STATES
from promises.times import NEVER
from promises.transports import is_routable
from promises.values import Value

ID_LIMIT = 512
DATA_LIMIT = 1_048_576
_forbidden = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def check_id(id: str, what: str = "Promise id") -> None:
    """An id is 1 to 512 characters of text without control characters."""
    if not isinstance(id, str) or not id:
        raise BadRequest(f"{what} must not be empty")
    if len(id) > ID_LIMIT:
        raise BadRequest(f"{what} must not be longer than {ID_LIMIT} characters")
    if _forbidden.search(id):
        raise BadRequest(f"{what} must not contain control characters")


def check_value(value: Value, what: str = "value") -> None:
    """`data` is text of at most 1 MiB, headers map text to text; PostgreSQL keeps no NUL character."""
    if value.data is not None:
        if len(value.data) > DATA_LIMIT:
            raise BadRequest(f"{what}.data must not be longer than {DATA_LIMIT} characters")
        if "\x00" in value.data:
            raise BadRequest(f"{what}.data must not contain NUL")
    for key, text in (value.headers or {}).items():
        if not isinstance(text, str) or "\x00" in key + text:
            raise BadRequest(f"{what}.headers must map text to text")


def check_settle_state(state: str) -> None:
    if state not in SETTLE_STATES:
        raise BadRequest("state must be resolved, rejected or rejected_canceled")


def check_timeout(timeout_at: int) -> None:
    if not isinstance(timeout_at, int) or not 0 <= timeout_at <= NEVER:
        raise BadRequest("timeoutAt must be an integer from 0 to 9007199254740991, in ms since the epoch")


def check_tags(id: str, tags: Mapping[str, str], timeout_at: int) -> None:
    """The tag rules of the protocol: text to text, a routable target, a sensible delay, lineage that the id extends."""
    for key, text in tags.items():
        if not isinstance(key, str) or not isinstance(text, str) or "\x00" in key + text:
            raise BadRequest("tags must map text to text")
    target = tags.get("resonate:target")
    if target is not None and not is_routable(target):
        raise BadRequest(f"Invalid resonate:target address: {target!r}")
    for name in ("origin", "branch", "parent"):
        base = tags.get(f"resonate:{name}")
        if base is not None and not extends(id, base):
            raise BadRequest(f"The id must be, or extend, the tag resonate:{name} ({base!r})")
    if ":" in tags.get("resonate:origin", ""):
        raise BadRequest("resonate:origin must not contain ':'")
    if "resonate:delay" in tags:
        _check_delay(tags["resonate:delay"], target, timeout_at)


def extends(id: str, base: str) -> bool:
    """Whether `id` is `base` or lies below it, in either spelling of lineage (`root:1.2` or `root.1.2`)."""
    return id == base or id.startswith((base + ":", base + "."))


def _check_delay(delay: str, target: str | None, timeout_at: int) -> None:
    if not (delay.isascii() and delay.isdigit()) or target is None or int(delay) >= timeout_at:
        raise BadRequest("resonate:delay must be ms since the epoch before timeoutAt, on a promise with a target")
