"""Points in time as the protocol writes them: integers, milliseconds since the epoch. The edge reads the clock,
once."""

import time
from datetime import UTC, datetime

# No deadline. The largest integer that every JSON reader holds exactly (2**53 - 1).
NEVER = 9007199254740991
# The first millisecond that the calendar of Python's datetime does not know.
_YEAR_10000 = 253_402_300_800_000


def now_ms() -> int:
    """The current time. Views, jobs and commands call this once and pass the value down as `now`."""
    return time.time_ns() // 1_000_000


def to_datetime(ms: int | None) -> datetime | None:
    """An aware UTC datetime; None for None and for deadlines beyond the calendar (see `NEVER`)."""
    if ms is None or ms >= _YEAR_10000:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC)


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch of an aware datetime; a naive one is refused, since it names no moment."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; pass an aware datetime.")
    return round(moment.timestamp() * 1000)
