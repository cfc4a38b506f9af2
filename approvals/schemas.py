"""`form=`: the type that an author names becomes a JSON Schema, frozen with the request; what people send comes back as
that type. Whether it fits is checked by `validation.py` on every channel, against the frozen schema alone."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from approvals.errors import FieldError, InvalidCard, InvalidInput

Schema = dict[str, Any]

_unfit = re.compile("[\x00\ud800-\udfff]")

SCHEMA_LIMIT = 64 * 1024  # bytes of JSON: a form is filled in by a person
DECIMAL = "decimal"  # the format of a number that is written as a text, so that no digit is lost
MULTILINE = "multiline"  # the format of a text that is written in several lines
LOCAL_TIME = "date-time-local"  # the format of a date and time without a zone
_SAYINGS = ("title", "description", "default", "examples", "file")  # what a reference may say of its own
_DECIMAL_RULES = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "max_digits": "maxDigits",
    "decimal_places": "decimalPlaces",
}


class FormSchema(GenerateJsonSchema):
    """Pydantic's JSON Schema, with decimals as texts that keep their bounds, and the two kinds of date and time told
    apart."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> Schema:
        given: Mapping[str, Any] = schema
        rules = {name: _number(given[key]) for key, name in _DECIMAL_RULES.items() if given.get(key) is not None}
        if "maxDigits" in rules and "decimalPlaces" in rules:
            rules["wholeDigits"] = rules["maxDigits"] - rules["decimalPlaces"]
        return {"type": "string", "format": DECIMAL} | rules

    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> Schema:
        is_local = schema.get("tz_constraint") == "naive"
        return {"type": "string", "format": LOCAL_TIME if is_local else "date-time"}


def schema_of(form: Any) -> Schema | None:
    """The JSON Schema of a form: of a pydantic model, a dataclass, or any type that pydantic knows; a mapping is a JSON
    Schema already. None for no form. Errors: InvalidCard."""
    if form is None:
        return None
    return schema_check(dict(form) if isinstance(form, Mapping) else _generated(form))


def schema_check(schema: Schema) -> Schema:
    """The schema, if it can be frozen: JSON, of bounded size, valid, and with no reference to anything outside.

    Errors: InvalidCard.
    """
    from approvals.validation import schema_problem

    try:
        text = json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidCard(f"The form's schema is not JSON: {error}") from None
    if problem := schema_problem(schema):
        raise InvalidCard(f"The form is no usable JSON Schema: {problem}")
    frozen: Schema = ordered(inlined(json.loads(text)))
    if len(json.dumps(frozen)) > SCHEMA_LIMIT:
        raise InvalidCard(f"The form's schema is larger than {SCHEMA_LIMIT // 1024} kB.")
    return frozen


def ordered(schema: Any) -> Any:
    """The schema with the order of every object's fields beside them: PostgreSQL keeps that of lists alone."""
    if isinstance(schema, list):
        return [ordered(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: ordered(item) for key, item in schema.items()}
    if isinstance(found.get("properties"), dict) and found.get("type") == "object":
        found.setdefault("order", list(found["properties"]))
    return found


def properties_of(schema: Schema) -> dict[str, Schema]:
    """The fields of an object, in the order in which the author has written them."""
    parts: dict[str, Schema] = schema.get("properties", {})
    order = [name for name in schema.get("order", ()) if name in parts]
    return {name: parts[name] for name in dict.fromkeys([*order, *parts])}


def inlined(schema: Schema) -> Schema:
    """The schema with what it refers to in its place, so that a part of it stands alone. One that refers to itself
    stays as it is."""
    definitions = schema.get("$defs", {})
    try:
        found: Schema = _inlined({k: v for k, v in schema.items() if k != "$defs"}, definitions, ())
    except _Recursive:
        return schema
    return found


def load(form: Any, value: Any) -> Any:
    """The JSON value as the form's type; as it is where the form is a schema, or none. Errors: InvalidInput, when the
    type knows a rule that its schema could not express."""
    if form is None or isinstance(form, Mapping):
        return value
    try:
        return _adapter(form).validate_json(json.dumps([value]))[0]
    except ValidationError as error:
        raise InvalidInput([FieldError(pointer(*found["loc"][1:]), found["msg"]) for found in error.errors()]) from None


def is_storable(value: Any) -> bool:
    """Whether PostgreSQL can hold every text of a JSON value: no NUL, no half of a surrogate pair."""
    if isinstance(value, dict):
        return all(is_storable(key) and is_storable(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(is_storable(item) for item in value)
    return not isinstance(value, str) or _unfit.search(value) is None


def pointer(*path: str | int) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


class _Recursive(Exception):
    """A definition contains itself."""


def _inlined(schema: Any, definitions: Mapping[str, Any], inside: tuple[str, ...]) -> Any:
    if isinstance(schema, list):
        return [_inlined(item, definitions, inside) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _inlined(item, definitions, inside) for key, item in schema.items() if key != "$ref"}
    if "$ref" not in schema:
        return found
    name = str(schema["$ref"]).removeprefix("#/$defs/")
    if name in inside or name not in definitions:
        raise _Recursive
    target = _inlined(definitions[name], definitions, (*inside, name))
    if any(key in target for key in found if key not in _SAYINGS):
        return {"allOf": [target], **found}
    return {**target, **found}


@lru_cache(maxsize=512)
def _adapter(form: Any) -> TypeAdapter[Any]:
    """Reads a list of one: a model of its own takes no configuration. Bytes are base64."""
    return TypeAdapter(list[form], config=ConfigDict(val_json_bytes="base64"))


def _generated(form: Any) -> Schema:
    try:
        found: Schema = _closed(TypeAdapter(form).json_schema(schema_generator=FormSchema))
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError) as error:
        raise InvalidCard(f"{form!r:.100} is no form: {str(error).splitlines()[0]}") from None
    return found


def _closed(schema: Any) -> Any:
    """The schema with objects that take no field which the type does not have: a misspelt field is told, not
    dropped."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _closed(item) for key, item in schema.items()}
    if found.get("type") == "object" and "properties" in found:
        found.setdefault("additionalProperties", False)
    return found


def _number(bound: Any) -> int | float:
    return int(bound) if bound == int(bound) else float(bound)
