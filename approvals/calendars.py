"""Working time: which hours of which days count towards a reminder, an escalation or a deadline. Calendars are
registered in code by name. Pure functions of the time given; a moment that was worked out is stored, so that a calendar
that changes later moves nothing."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from approvals.requirements import InvalidPolicy

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HORIZON = timedelta(days=3660)

_registered: dict[str, "Calendar"] = {}


@dataclass(frozen=True, slots=True)
class Calendar:
    """From `opens` to `closes` on each of `days`, in the time of `zone`, except on `holidays` (anything that answers
    `date in holidays`)."""

    name: str
    days: frozenset[int]
    opens: time
    closes: time
    zone: ZoneInfo
    holidays: Container[date] = ()

    def after(self, start: datetime, duration: timedelta) -> datetime:
        """When `duration` of working time has passed since `start` (aware). Errors: InvalidPolicy when that is more
        than ten years ahead."""
        left, start = duration, start.astimezone(UTC)
        for opens, closes in self._spans(start):
            begun = max(opens, start)
            if begun + left <= closes:
                return begun + left
            left -= max(closes - begun, timedelta(0))
        raise InvalidPolicy(f"The calendar {self.name!r} has no {duration} of working time in the next ten years.")

    def _spans(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The working hours of every day from that of `start` on, in UTC: days on which clocks change have their own
        length."""
        day = start.astimezone(self.zone).date()
        for _ in range(HORIZON.days):
            if day.weekday() in self.days and day not in self.holidays:
                opens = datetime.combine(day, self.opens, self.zone).astimezone(UTC)
                yield opens, datetime.combine(day, self.closes, self.zone).astimezone(UTC)
            day += timedelta(days=1)


def calendar_register(
    name: str,
    *,
    days: str = "mon tue wed thu fri",
    hours: tuple[str, str] = ("09:00", "17:00"),
    timezone: str = "UTC",
    holidays: Container[date] = (),
) -> Calendar:
    """Make a calendar known by its name, for `Policy(calendar=...)` and `after(..., calendar=...)`; the last one
    registered under a name holds.

    days: from mon, tue, wed, thu, fri, sat, sun. hours: when a day begins and ends, within one day. timezone: an IANA
    name. holidays: dates, or an object that knows them (such as `holidays.country_holidays("DE")`).

    Errors: InvalidPolicy.
    """
    unknown = set(days.split()) - set(DAYS)
    if unknown or not days.split():
        raise InvalidPolicy(f"The days of a calendar are some of {' '.join(DAYS)}, not {days!r}.")
    opens, closes = (_time(text) for text in hours)
    if opens >= closes:
        raise InvalidPolicy(f"A working day begins before it ends, and within one day; not {hours!r}.")
    calendar = Calendar(
        name, frozenset(DAYS.index(day) for day in days.split()), opens, closes, _zone(timezone), holidays
    )
    _registered[name] = calendar
    return calendar


def calendar_named(name: str) -> Calendar:
    """The calendar of this name. Errors: InvalidPolicy, naming those that there are."""
    try:
        return _registered[name]
    except KeyError:
        known = ", ".join(sorted(_registered)) or "none"
        raise InvalidPolicy(f"No calendar is registered as {name!r:.100}; there are: {known}.") from None


def moment_after(start: int, duration: timedelta, calendar: str = "") -> int:
    """`duration` after `start`, in the working time of `calendar` if one is named; both in ms since the epoch. Errors:
    InvalidPolicy."""
    if not calendar:
        return start + duration // timedelta(milliseconds=1)
    moment = calendar_named(calendar).after(datetime.fromtimestamp(start / 1000, UTC), duration)
    return round(moment.timestamp() * 1000)


def _time(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise InvalidPolicy(f"{text!r:.20} is no time of day; write for example '09:00'.") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise InvalidPolicy(
            f"There is no time zone {name!r:.60} here; write an IANA name such as 'Europe/Berlin'."
        ) from None
