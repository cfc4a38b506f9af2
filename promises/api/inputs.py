"""How text from outside becomes ids, durations and points in time: refusals say what would have been accepted."""

import re
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from promises.times import NEVER, to_ms

MAX_WAIT = 60_000
UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
PART = re.compile(r"(\d{1,12}(?:\.\d{1,3})?)\s?(ms|[smhdw])", re.ASCII)
NUMBER = re.compile(r"\d{1,16}(\.\d{1,3})?", re.ASCII)
ID_LIMIT = 256


def duration_ms(text: str) -> int:
    """Milliseconds in "500ms", "30s", "1m", "2h", "1d", "1h30m" or plain seconds ("30"); ValueError otherwise."""
    text = text.strip()
    if NUMBER.fullmatch(text):
        return round(float(text) * 1000)
    parts = PART.findall(text)
    if not parts or PART.sub("", text).strip():
        raise ValueError(
            _("“%(text)s” is no duration; write for example 500ms, 30s, 1m, 2h or 1d.") % {"text": text[:40]}
        )
    return round(sum(float(number) * UNITS[unit] for number, unit in parts))


def wait_ms(request: Request) -> int:
    """How long the caller is ready to wait (`?wait=30s`), at most a minute; 0 without the parameter."""
    text = request.query_params.get("wait", "")
    if not text:
        return 0
    try:
        return min(duration_ms(text), MAX_WAIT)
    except ValueError as error:
        raise ValidationError({"wait": [str(error)]}) from None


def promise_id(text: str) -> str:
    """`text` if a promise made here may have this id; ValidationError otherwise."""
    if is_plain_id(text):
        return text
    raise ValidationError(_("An id has 1 to %(limit)d visible characters, without spaces.") % {"limit": ID_LIMIT})


def is_plain_id(text: str) -> bool:
    """Whether `text` can stand in an address and in a log line as it is."""
    return 0 < len(text) <= ID_LIMIT and text.isprintable() and " " not in text and text not in {".", ".."}


def text_param(request: Request, name: str, *, choices: frozenset[str] = frozenset()) -> str:
    """A query parameter ('' when absent), checked against `choices` and for characters that cannot be searched for."""
    text = request.query_params.get(name, "")
    if "\x00" in text:
        raise ValidationError({name: [_("NUL characters are not allowed.")]})
    if text and choices and text not in choices:
        allowed = ", ".join(sorted(choices))
        raise ValidationError(
            {name: [_("“%(text)s” is not one of %(allowed)s.") % {"text": text[:40], "allowed": allowed}]}
        )
    return text


class TextField(serializers.CharField):
    """A CharField that takes JSON strings only: a number is not a text, and spaces are kept as they came."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class DurationField(serializers.CharField):
    """A duration such as "30m" or "1d"; yields ms."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            return duration_ms(super().to_internal_value(data))
        except ValueError as error:
            raise ValidationError(str(error)) from None


@extend_schema_field({"oneOf": [{"type": "integer", "format": "int64"}, {"type": "string"}]})
class DeadlineField(serializers.Field[int, Any, Any, Any]):
    """A deadline as ms since the epoch (integer), an ISO date-time with a zone, or a duration from now ("1h");
    yields ms.

    `context["now"]` is the time that durations count from.
    """

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, int) and not isinstance(data, bool):
            return self._bounded(data)
        if not isinstance(data, str) or NUMBER.fullmatch(data.strip()):
            raise ValidationError(self._hint())
        moment = self._moment(data)
        if moment is not None:
            return self._bounded(to_ms(moment))
        try:
            return self._bounded(int(self.context["now"]) + duration_ms(data))
        except ValueError:
            raise ValidationError(self._hint()) from None

    def to_representation(self, value: int) -> int:
        return value

    def _moment(self, text: str) -> datetime | None:
        try:
            moment = parse_datetime(text.strip())
        except ValueError:
            raise ValidationError(self._hint()) from None
        if moment is not None and moment.tzinfo is None:
            raise ValidationError(_("A date-time needs a zone, as in 2026-12-31T18:00:00Z."))
        return moment

    def _bounded(self, ms: int) -> int:
        if not 0 <= ms <= NEVER:
            raise ValidationError(_("A deadline lies between 0 and %(limit)d.") % {"limit": NEVER})
        return ms

    def _hint(self) -> str:
        return _(
            "A deadline is ms since the epoch (an integer), an ISO date-time with its zone, or a duration such as 1h."
        )
