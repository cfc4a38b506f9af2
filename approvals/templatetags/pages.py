"""Words and marks that every page shares: icons, states, moments, durations, JSON. Times are ms since the epoch."""

import json
import re
from collections.abc import Mapping
from typing import Any

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals import queries
from promises.states import PromiseState
from promises.times import now_ms, to_datetime

register = template.Library()

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
INBOX_COUNT_LIMIT = 99

_backticks = re.compile(r"``?([^`\n]+)``?")

# The state of a promise as people read it: (words, icon, kind of mark).
STATES: Mapping[str, tuple[Any, str, str]] = {
    PromiseState.PENDING: (gettext_lazy("pending"), "circle-dashed", "run"),
    PromiseState.RESOLVED: (gettext_lazy("done"), "circle-check", "ok"),
    PromiseState.REJECTED: (gettext_lazy("failed"), "circle-x", "bad"),
    PromiseState.REJECTED_CANCELED: (gettext_lazy("canceled"), "ban", "off"),
    PromiseState.REJECTED_TIMEDOUT: (gettext_lazy("timed out"), "timer-off", "warn"),
    "running": (gettext_lazy("running"), "circle-dashed", "run"),
    "sleeping": (gettext_lazy("sleeping"), "moon", "off"),
    "outside": (gettext_lazy("waits for a callback"), "hourglass", "warn"),
    "waiting": (gettext_lazy("waits for people"), "hourglass", "warn"),
    "halted": (gettext_lazy("halted"), "octagon-pause", "bad"),
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon of the sprite; it says nothing to a screen reader, so words stand beside it."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', static("icons/sprite.svg"), name
    )


@register.simple_tag
def state_mark(state: str) -> SafeString:
    """A promise's state (or another key of STATES) as an icon and words."""
    words, name, kind = STATES.get(state, (state, "circle", "off"))
    return format_html('<span class="state state-{}">{}{}</span>', kind, icon(name), words)


@register.filter
def share(fraction: float | None) -> str:
    """A fraction as whole percent: 0.254 is "25 %"; a dash where there is nothing to tell."""
    return "–" if fraction is None else _("%(n)d %%") % {"n": round(fraction * 100)}


@register.filter
def state_kind(state: str) -> str:
    """What a state's mark looks like: ok, bad, warn, run, off."""
    return str(STATES.get(state, (state, "circle", "off"))[2])


@register.filter
def state_icon(state: str) -> str:
    return str(STATES.get(state, (state, "circle", "off"))[1])


@register.simple_tag
def icon_href(name: str) -> str:
    """The address of an icon, for `use` in a drawing."""
    return f"{static('icons/sprite.svg')}#{name}"


@register.simple_tag
def scaled(pixels: int, percent: int) -> int:
    return pixels * percent // 100


@register.filter
def state_words(state: str) -> str:
    return str(STATES.get(state, (state,))[0])


@register.filter
def duration(ms: int | None) -> str:
    """A length of time in the unit that fits: "40 ms", "2.5 s", "18 min", "3 h 5 min", "2 d 4 h"."""
    return "" if ms is None else _span(max(int(ms), 0))


def _span(ms: int) -> str:
    if ms < 1:
        return _("< 1 ms")
    if ms < 1000:
        return _("%(n)d ms") % {"n": ms}
    if ms < MINUTE:
        return _("%(n)s s") % {"n": _short(ms / 1000) if ms < 10_000 else ms // 1000}
    if ms < HOUR:
        return _("%(n)d min") % {"n": ms // MINUTE}
    if ms < DAY:
        return _two(_("%(n)d h") % {"n": ms // HOUR}, _("%(n)d min"), ms % HOUR // MINUTE)
    return _two(_("%(n)d d") % {"n": ms // DAY}, _("%(n)d h"), ms % DAY // HOUR)


@register.filter
def relative(ms: int | None, now: int) -> SafeString | str:
    """A moment as its distance from `now` ("3 h ago", "in 18 min"), the date in the title."""
    if ms is None or to_datetime(ms) is None:
        return ""
    distance = ms - now
    if abs(distance) < MINUTE:
        words = _("just now") if distance <= 0 else _("in %(time)s") % {"time": duration(distance // 1000 * 1000)}
    else:
        coarse = duration(abs(distance) // MINUTE * MINUTE)
        words = _("%(time)s ago") % {"time": coarse} if distance < 0 else _("in %(time)s") % {"time": coarse}
    return _time(ms, words, absolute(ms))


@register.filter
def moment(ms: int | None) -> SafeString | str:
    """A moment with its date."""
    return _time(ms, absolute(ms)) if ms is not None and to_datetime(ms) else ""


@register.filter
def absolute(ms: int | None) -> str:
    found = to_datetime(ms)
    return date_format(localtime(found), "DATETIME_FORMAT") if found else ""


@register.filter
def pretty(value: Any) -> str:
    """A value as indented JSON; a text as it is."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.filter
def code_marks(text: str) -> SafeString:
    """A docstring's sentence, with what stands between backticks set as code."""
    parts = _backticks.split(text)
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", p) if i % 2 else p,) for i, p in enumerate(parts))
    )


@register.simple_tag(takes_context=True)
def inbox_count(context: template.Context) -> str:
    """How much waits for the reader, at most "99+"; "" for nothing and for nobody. A view that knows it already puts
    `inbox_count` into the context."""
    user = context.get("user", None)
    if user is None or not user.is_authenticated:
        return ""
    found = context.get("inbox_count")
    if found is None:
        now = context.get("now") or now_ms()
        rows = queries.inbox_rows(user, now)
        found = queries.count_of_requests(rows, INBOX_COUNT_LIMIT + 1)
    return f"{INBOX_COUNT_LIMIT}+" if found > INBOX_COUNT_LIMIT else str(found or "")


@register.simple_tag
def demo_people() -> list[tuple[str, str]]:
    """Who can sign in to the demonstration (all with the password `demo`), and as what; [] anywhere else."""
    if not settings.COUNTERSIGN_DEMO:
        return []
    return [
        ("ana", _("asks for things")),
        ("bob", _("finance")),
        ("carol", _("finance")),
        ("dave", _("sre")),
        ("erin", _("sre")),
        ("frank", _("sre")),
        ("admin", _("administrator")),
    ]


def _short(number: float) -> str:
    """At most one decimal, none when it is zero."""
    return f"{number:.1f}".removesuffix(".0")


def _two(first: str, second: str, rest: int) -> str:
    return f"{first} {second % {'n': rest}}" if rest else first


def _time(ms: int, words: str, title: str = "") -> SafeString:
    found = to_datetime(ms)
    iso = found.isoformat(timespec="seconds") if found else ""
    if title:
        return format_html('<time datetime="{}" title="{}">{}</time>', iso, title, words)
    return format_html('<time datetime="{}">{}</time>', iso, words)
