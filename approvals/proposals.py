"""`propose=` and `editable=`: what an author proposes, what of it people may correct, and how the corrected proposal
comes back in the author's types. Pure functions over the frozen form {"value", "schema", "editable"}."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from approvals.errors import FieldError, InvalidCard
from approvals.outcomes import gettext_noop
from approvals.schemas import DECIMAL, MULTILINE, Schema, load, pointer, schema_of
from workflows import codec

LONG_VALUE = 80  # characters: a text that is longer is corrected in an area
FIXED = gettext_noop("This cannot be changed.")


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is proposed, as JSON. `editable`: the fields that may be corrected (of a list: of each item), True for the
    whole."""

    value: Any
    schema: Schema
    editable: tuple[str, ...] | Literal[True] = ()

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, "schema": self.schema, "editable": _shown(self.editable)}

    @property
    def is_editable(self) -> bool:
        return bool(self.editable)

    def is_field_editable(self, name: str) -> bool:
        return self.editable is True or name in self.editable

    @property
    def fixed(self) -> "Proposal":
        """The same, for somebody who can only read it."""
        return Proposal(self.value, self.schema)

    def but(self, value: Any) -> "Proposal":
        """The same, with this value."""
        return Proposal(value, self.schema, self.editable)


def proposal_of(propose: Any, editable: Iterable[str] | bool = ()) -> Proposal | None:
    """The proposal; None for nothing. Errors: InvalidCard, EncodingError."""
    if propose is None:
        if editable:
            raise InvalidCard("editable= names fields of a proposal; give propose=, too.")
        return None
    value = codec.to_json(propose)
    whole: tuple[str, ...] | Literal[True] = True if editable is True else tuple(editable or ())
    known = _fields(value)
    if whole is not True and (unknown := [name for name in whole if name not in known]):
        raise InvalidCard(f"editable= names {unknown[0]!r:.60}, which the proposal does not have.")
    schema = schema_of(type(propose)) if _is_typed(propose) else _shape(propose)
    return Proposal(value, schema or {}, whole)


def thaw(frozen: Mapping[str, Any] | None) -> Proposal | None:
    """The proposal in this JSON."""
    if frozen is None:
        return None
    editable = frozen["editable"]
    return Proposal(frozen["value"], frozen["schema"], True if editable is True else tuple(editable))


def edited(proposal: Proposal, value: Any) -> Any:
    """The proposal with the fields that are given; what is left out stays as it is."""
    return _merged(proposal.value, value)


def edit_errors(proposal: Proposal, value: Any, at: str) -> list[FieldError]:
    """What may not be changed but was, by field."""
    if proposal.editable is True or value == proposal.value:
        return []
    if isinstance(proposal.value, list) and isinstance(value, list) and len(value) == len(proposal.value):
        pairs = zip(proposal.value, value, strict=True)
        return [error for i, (old, new) in enumerate(pairs) for error in _fixed(proposal, old, new, at + pointer(i))]
    return _fixed(proposal, proposal.value, value, at)


def restored(value: Any, like: Any) -> Any:
    """The JSON value in the types of `like`, the author's own proposal; what has not changed is that itself.

    Errors: InvalidInput, when a model refuses what its schema accepted.
    """
    if value == codec.to_json(like):
        return like
    if isinstance(like, Mapping) and isinstance(value, dict):
        return {key: restored(item, like[key]) if key in like else item for key, item in value.items()}
    if isinstance(like, list | tuple) and not hasattr(like, "_fields") and isinstance(value, list):
        samples = [*like, *([like[-1]] * (len(value) - len(like)) if like else value)]
        return type(like)(restored(item, sample) for item, sample in zip(value, samples, strict=False))
    return value if like is None else load(type(like), value)


def _shown(editable: tuple[str, ...] | Literal[True]) -> list[str] | Literal[True]:
    return True if editable is True else list(editable)


def _is_typed(value: Any) -> bool:
    return isinstance(value, BaseModel) or is_dataclass(value) or hasattr(value, "_fields")


def _fields(value: Any) -> set[str]:
    """The fields that can be named: those of an object, or of every item of a list of objects."""
    if isinstance(value, dict):
        return set(value)
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return set.intersection(*(set(item) for item in value))
    return set()


def _shape(value: Any) -> Schema:
    """The schema of a plain value: each part of it may become another of its own type."""
    if _is_typed(value):
        schema = schema_of(type(value)) or {}
        return {} if "$defs" in schema else schema  # it refers to itself, which a part of a schema cannot
    make = next((make for kind, make in _SHAPES.items() if isinstance(value, kind)), None)
    return make(value) if make else {}


def _choice_shape(value: Enum) -> Schema:
    return {"enum": [codec.to_json(member) for member in type(value)]}


def _text_shape(value: str) -> Schema:
    is_long = "\n" in value or len(value) > LONG_VALUE
    return {"type": "string", "format": MULTILINE} if is_long else {"type": "string"}


def _object_shape(value: Mapping[Any, Any]) -> Schema:
    fields = {str(key): _shape(item) for key, item in value.items()}
    closed = {"required": list(fields), "additionalProperties": False}
    return {"type": "object", "properties": fields, "order": list(fields), **closed}


def _list_shape(value: Sequence[Any]) -> Schema:
    shapes = [_shape(item) for item in value]
    if shapes and all(shape == shapes[0] for shape in shapes):
        return {"type": "array", "items": shapes[0]}
    return {"type": "array", "prefixItems": shapes}


def _named(type_: str, format_: str = "") -> Callable[[Any], Schema]:
    return lambda _value: {"type": type_, "format": format_} if format_ else {"type": type_}


# The first type that a value is of: an enum may be a text too, a bool is an int, a datetime is a date.
_SHAPES: Mapping[type | tuple[type, ...], Callable[[Any], Schema]] = {
    Enum: _choice_shape,
    str: _text_shape,
    bool: _named("boolean"),
    int: _named("integer"),
    float: _named("number"),
    Decimal: _named("string", DECIMAL),
    datetime: _named("string", "date-time"),
    date: _named("string", "date"),
    time: _named("string", "time"),
    UUID: _named("string", "uuid"),
    Mapping: _object_shape,
    (list, tuple): _list_shape,
}


def _merged(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **new}
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [_merged(before, after) for before, after in zip(old, new, strict=True)]
    return new


def _fixed(proposal: Proposal, old: Any, new: Any, at: str) -> list[FieldError]:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [FieldError(at, FIXED)] if old != new else []
    names = dict.fromkeys([*old, *new])
    changed = [name for name in names if old.get(name) != new.get(name) or (name in old) != (name in new)]
    return [FieldError(at + pointer(name), FIXED) for name in changed if not proposal.is_field_editable(name)]
