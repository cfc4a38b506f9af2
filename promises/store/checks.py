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
_priority = re.compile(r"-?[0-9]{1,2}")
_forbidden = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
# What PostgreSQL cannot keep in text.
_unstorable = re.compile(r"[\x00\ud800-\udfff]")


def check_id(id: str, what: str = "Promise id") -> None:
    """An id is 1 to 512 characters of text without control characters."""
    if not isinstance(id, str) or not id:
        raise BadRequest(f"{what} must not be empty")
    if len(id) > ID_LIMIT:
        raise BadRequest(f"{what} must not be longer than {ID_LIMIT} characters")
    if _forbidden.search(id):
        raise BadRequest(f"{what} must not contain control characters")


def check_value(value: Value, what: str = "value") -> None:
    """`data` is text of at most 1 MiB, headers map text to text; PostgreSQL keeps no NUL and no lone surrogate."""
    if value.data is not None:
        if not isinstance(value.data, str):
            raise BadRequest(f"{what}.data must be text")
        if len(value.data) > DATA_LIMIT:
            raise BadRequest(f"{what}.data must not be longer than {DATA_LIMIT} characters")
        if _unstorable.search(value.data):
            raise BadRequest(f"{what}.data must not contain NUL or lone surrogates")
    _check_texts(value.headers or {}, f"{what}.headers")


def check_version(version: int | None) -> None:
    """A task's version is an integer from 0; None where any will do."""
    if version is not None and (type(version) is not int or not 0 <= version <= 2_147_483_647):
        raise BadRequest("version must be an integer from 0 to 2147483647")


def check_settle_state(state: str) -> None:
    if state not in SETTLE_STATES:
        raise BadRequest("state must be resolved, rejected or rejected_canceled")


def check_timeout(timeout_at: int) -> None:
    if type(timeout_at) is not int or not 0 <= timeout_at <= NEVER:
        raise BadRequest("timeoutAt must be an integer from 0 to 9007199254740991, in ms since the epoch")


def check_tags(id: str, tags: Mapping[str, str], timeout_at: int) -> None:
    """The tag rules of the protocol: text to text, a routable target, a sensible delay, lineage that the id extends."""
    _check_texts(tags, "tags")
    target = tags.get("resonate:target")
    if target is not None and not is_routable(target):
        raise BadRequest(f"Invalid resonate:target address: {target!r}")
    for name in ("origin", "branch", "parent"):
        base = tags.get(f"resonate:{name}")
        if base is not None and not extends(id, base):
            raise BadRequest(f"The id must be, or extend, the tag resonate:{name} ({base!r})")
    if ":" in tags.get("resonate:origin", ""):
        raise BadRequest("resonate:origin must not contain ':'")
    if not _priority.fullmatch(tags.get("countersign:priority", "0")):
        raise BadRequest("countersign:priority must be a whole number from -99 to 99")
    if "resonate:delay" in tags:
        _check_delay(tags["resonate:delay"], target, timeout_at)


def extends(id: str, base: str) -> bool:
    """Whether `id` is `base` or lies below it, in either spelling of lineage (`root:1.2` or `root.1.2`)."""
    return id == base or id.startswith((base + ":", base + "."))


def _check_texts(texts: Mapping[str, str], what: str) -> None:
    for key, text in texts.items():
        if not isinstance(key, str) or not isinstance(text, str) or _unstorable.search(key + text):
            raise BadRequest(f"{what} must map text to text")


def _check_delay(delay: str, target: str | None, timeout_at: int) -> None:
    if not (delay.isascii() and delay.isdigit()) or target is None or int(delay) >= timeout_at:
        raise BadRequest("resonate:delay must be ms since the epoch before timeoutAt, on a promise with a target")
