"""How long: durations as people write them, and what happens when one is over."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, overload

from approvals.errors import InvalidCard
from approvals.requirements import principals_listed

_NOT_GIVEN: Any = object()
_units = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_duration = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)\s*(s|min|m|h|d|w)", re.ASCII)


@dataclass(frozen=True, slots=True)
class After:
    """A deadline and what happens then: `after("24h", then="reject")`. In a calendar only its working time passes."""

    duration: timedelta
    then: Any
    calendar: str = ""


@dataclass(frozen=True, slots=True)
class Escalation:
    """Whom to ask too when nobody has decided by then: `after("8h", to="group:leads")`."""

    duration: timedelta
    to: tuple[str, ...]


@overload
def after(duration: str | timedelta, *, then: Any, calendar: str = "") -> After: ...
@overload
def after(duration: str | timedelta, *, to: str | list[str]) -> Escalation: ...
def after(
    duration: str | timedelta, *, then: Any = _NOT_GIVEN, to: str | list[str] | None = None, calendar: str = ""
) -> After | Escalation:
    """When nobody has decided within `duration` ("90s", "30min", "24h", "7d", or a timedelta): with `then` that outcome
    holds (the timeout of a request), with `to` these principals are asked too (an escalation of a policy).

    Errors: InvalidCard, InvalidPolicy.
    """
    found = positive(duration)
    if (then is _NOT_GIVEN) == (to is None):
        raise InvalidCard("after() takes either then= (an outcome) or to= (whom to ask too).")
    if to is not None:
        return Escalation(found, principals_listed([to] if isinstance(to, str) else to))
    return After(found, then, calendar)


def positive(duration: Any) -> timedelta:
    """The duration, if it is longer than nothing. Errors: InvalidCard."""
    found = duration_of(duration) if isinstance(duration, str) else duration
    if not isinstance(found, timedelta) or found <= timedelta(0):
        raise InvalidCard(f"A duration is positive, such as '8h' or a timedelta, not {duration!r:.60}.")
    return found


def duration_of(text: str) -> timedelta:
    """A number and a unit: s, min (or m), h, d, w. Errors: InvalidCard."""
    found = _duration.fullmatch(text.strip().lower())
    if found is None:
        raise InvalidCard(f"{text!r:.60} is no duration; write for example '90s', '30min', '24h' or '7d'.")
    return timedelta(**{_units[found[2]]: float(found[1])})


def duration_text(duration: timedelta) -> str:
    """What `duration_of` reads back: whole hours, minutes or seconds where it is so many, else milliseconds as
    "1.250s"."""
    for unit, size in (("h", timedelta(hours=1)), ("min", timedelta(minutes=1)), ("s", timedelta(seconds=1))):
        if not duration % size:
            return f"{duration // size}{unit}"
    return f"{duration.total_seconds():.3f}s"
