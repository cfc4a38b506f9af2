"""JSON values as the texts that stand in controls, and back. A text that cannot be read as its type stays a text, so
that the check against the schema names the field, and the page can show it again."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.utils.timezone import get_current_timezone, is_naive, localtime, make_aware

from approvals.fields.kinds import choices_of, value_text
from approvals.schemas import Schema


def text_of(kind: str, value: Any) -> str:
    """A value as it stands in a control of this kind."""
    if value is None or kind in ("group", "list", "tuple", "several", "file", "choice"):
        return ""
    if kind in ("moment", "local"):
        return _moment_text(str(value))
    if kind == "json" and not isinstance(value, str):
        return json.dumps(value, indent=2, ensure_ascii=False)
    return value_text(value)


def value_of(kind: str, schema: Schema, text: str) -> Any:
    """What was typed as JSON."""
    convert = _CONVERTERS.get(kind)
    try:
        return convert(schema, text) if convert else text
    except (ValueError, IndexError, OverflowError):
        return text


def _moment_text(text: str) -> str:
    """As the browser's control for dates and times takes it, in the reader's zone. What is no moment stays as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (localtime(moment) if moment.tzinfo else moment).strftime("%Y-%m-%dT%H:%M")


def _moment(schema: Schema, text: str) -> str:
    """With its zone: the reader's, where none is given."""
    moment = datetime.fromisoformat(text)
    return (make_aware(moment, get_current_timezone()) if is_naive(moment) else moment).isoformat()


def _choice(schema: Schema, text: str) -> Any:
    return choices_of(schema)[int(text)][1]


def _json(schema: Schema, text: str) -> Any:
    return json.loads(text, parse_constant=_refused)


def _refused(constant: str) -> Any:
    """NaN and the infinities are no JSON."""
    raise ValueError(constant)


_CONVERTERS: Mapping[str, Callable[[Schema, str], Any]] = {
    "choice": _choice,
    "json": _json,
    "moment": _moment,
    "number": _json,
}
