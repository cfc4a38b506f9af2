"""Durations as people write them: "90s", "25h", "1.5d"."""

import re
from datetime import timedelta

_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LARGE = [("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)]
_duration = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)", re.ASCII)


def duration_of(duration: timedelta | str) -> timedelta:
    """A number and a unit as a timedelta, which may also be given itself. Raises ValueError."""
    if isinstance(duration, timedelta):
        return duration
    found = _duration.fullmatch(duration)
    if found is None:
        raise ValueError(f"{duration!r} is no duration; write a number and one of {', '.join(_UNITS)}, as in '25h'.")
    return timedelta(**{_UNITS[found[2]]: float(found[1])})


def in_words(ms: int) -> str:
    """A time as people read it, by its two largest units: "40 ms", "3.2 s", "4 min 10 s", "29 d 23 h"."""
    if ms < 1000:
        return f"{ms} ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    seconds = ms // 1000
    unit, size, part, part_size = next(large for large in _LARGE if seconds >= large[1])
    rest = seconds % size // part_size
    return f"{seconds // size} {unit}" + (f" {rest} {part}" if rest else "")
