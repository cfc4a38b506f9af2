"""Whether an answer fits the frozen schema of its form: the one check that every channel runs. Pure functions.

JSON Schema (draft 2020-12), with two additions: a text of `format: decimal` is a number, with the bounds of numbers and
with `maxDigits`, `wholeDigits` and `decimalPlaces`; and `file` says that an object refers to an uploaded file. Patterns
are those of pydantic, whose time grows with the text and no faster: who writes one cannot hold the process with it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, time
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, SchemaError, ValidationError, validators
from pydantic_core import SchemaError as PatternError
from pydantic_core import SchemaValidator, core_schema
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from approvals.errors import FieldError
from approvals.outcomes import gettext_noop
from approvals.schemas import DECIMAL, LOCAL_TIME, Schema, pointer

Error = Any  # jsonschema's ValidationError, whose attributes are typed as if they could be missing
FileRule = Callable[[Mapping[str, Any], Mapping[str, Any]], FieldError | None]

FORMATS = FormatChecker(formats=["date", "email", "idn-email", "ipv4", "ipv6", "uuid"])
_decimal = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_duration = re.compile(r"[-+]?P(?=.)(\d+W|(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+([.,]\d+)?S)?)?)", re.ASCII)


@FORMATS.checks(DECIMAL)
def is_decimal(value: Any) -> bool:
    return not isinstance(value, str) or _decimal.fullmatch(value) is not None


@FORMATS.checks("date-time", raises=ValueError)
def is_moment(value: Any) -> bool:
    """A date and time with its zone: without one it names no moment."""
    return not isinstance(value, str) or ("T" in value and datetime.fromisoformat(value).tzinfo is not None)


@FORMATS.checks(LOCAL_TIME, raises=ValueError)
def is_local_time(value: Any) -> bool:
    """A date and time as a clock on a wall shows it, without a zone."""
    return not isinstance(value, str) or ("T" in value and datetime.fromisoformat(value).tzinfo is None)


@FORMATS.checks("time", raises=ValueError)
def is_time(value: Any) -> bool:
    return not isinstance(value, str) or (":" in value and bool(time.fromisoformat(value)))


@FORMATS.checks("duration")
def is_duration(value: Any) -> bool:
    return not isinstance(value, str) or _duration.fullmatch(value) is not None


def schema_problem(schema: Schema) -> str:
    """Why this is no schema that could be frozen; '' when it is one."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"{pointer(*error.absolute_path) or '/'}: {error.message}"
    resolver = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
    problems = (_keyword_problem(keyword, value, resolver) for keyword, value in _keywords(schema))
    if problem := next((found for found in problems if found), ""):
        return problem
    try:
        list(_validator(schema, _no_file).iter_errors({}))
    except RecursionError:
        return "it refers to itself without end."
    return ""


def _keyword_problem(keyword: str, value: Any, resolver: Any) -> str:
    match keyword:
        case "$ref" | "$dynamicRef" if not str(value).startswith("#"):
            return f"it refers to something outside of itself ({value})."
        case "$ref" | "$dynamicRef":
            try:
                resolver.lookup(value)
            except Unresolvable:
                return f"it refers to {value}, which it does not define."
        case "pattern":
            try:
                _matcher(value)
            except PatternError:
                return f"its pattern {value!r:.80} is not supported: no look-around, no back-references."
        case "patternProperties":
            return "it has patternProperties, which are not supported; name the properties."
    return ""


def _keywords(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every keyword of a schema and of those inside it, with its value."""
    if isinstance(schema, list):
        for item in schema:
            yield from _keywords(item)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            yield key, value
            if key not in _DATA:
                yield from _keywords(list(value.values()) if key in _NAMES and isinstance(value, dict) else value)


_NAMES = ("properties", "$defs", "definitions", "dependentSchemas")  # their keys are names, not keywords
_DATA = ("default", "const", "enum", "examples", "required", "order", "file")  # their values are no schemas


def errors_in(schema: Schema, value: Any, at: str, is_file: FileRule) -> list[FieldError]:
    """What is wrong with the value, by field; `at` is the pointer of the value itself. `is_file(rule, reference)` looks
    at each reference to a file, and may complete it."""
    found: dict[str, FieldError] = {}
    for error in _validator(schema, is_file).iter_errors(value):
        for field in _told(error, at):
            found.setdefault(field.pointer, field)
    return [found[key] for key in sorted(found)]


def _validator(schema: Schema, is_file: FileRule) -> Any:
    def file(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if isinstance(rule, Mapping) and isinstance(instance, Mapping) and (problem := is_file(rule, instance)):
            yield ValidationError(problem.message, cause=None, validator="file", validator_value=problem)

    extend: Any = validators.extend
    kind = extend(Draft202012Validator, {**_DECIMAL_RULES, "pattern": _pattern, "file": file})
    return kind(schema, format_checker=FORMATS, registry=Registry())  # nothing is ever fetched


def _no_file(rule: Mapping[str, Any], reference: Mapping[str, Any]) -> FieldError | None:
    return None


# -- patterns --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _matcher(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _matcher(pattern).isinstance_python(instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


# -- decimals --------------------------------------------------------------------------------------------------------


def _bounded(name: str, is_wrong: Callable[[Decimal, Decimal], bool]) -> Callable[..., Any]:
    """The rule `name` for texts that are decimals, beside what it is for numbers."""
    standard: Any = Draft202012Validator.VALIDATORS.get(name, lambda *_: ())

    def check(validator: Any, bound: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if not isinstance(instance, str):
            yield from standard(validator, bound, instance, schema) or ()
        elif schema.get("format") == DECIMAL and is_decimal(instance) and is_wrong(_plain(instance), _plain(bound)):
            yield ValidationError(f"{instance} does not fit {name} {bound}")

    return check


def _plain(number: Any) -> Decimal:
    try:
        return Decimal(str(number))
    except InvalidOperation:
        return Decimal(0)


def _places(number: Decimal) -> int:
    return max(0, -int(number.normalize().as_tuple().exponent))


def _wholes(number: Decimal) -> int:
    """How many digits stand before the point."""
    return max(0, number.normalize().adjusted() + 1)


_DECIMAL_RULES = {
    "minimum": _bounded("minimum", lambda number, bound: number < bound),
    "exclusiveMinimum": _bounded("exclusiveMinimum", lambda number, bound: number <= bound),
    "maximum": _bounded("maximum", lambda number, bound: number > bound),
    "exclusiveMaximum": _bounded("exclusiveMaximum", lambda number, bound: number >= bound),
    "multipleOf": _bounded("multipleOf", lambda number, step: bool(step) and number % step != 0),
    "maxDigits": _bounded("maxDigits", lambda number, most: _wholes(number) + _places(number) > most),
    "wholeDigits": _bounded("wholeDigits", lambda number, most: _wholes(number) > most),
    "decimalPlaces": _bounded("decimalPlaces", lambda number, most: _places(number) > most),
}


# -- what people are told --------------------------------------------------------------------------------------------

NEEDED = gettext_noop("This is needed.")
UNKNOWN = gettext_noop("There is no such field.")
_MESSAGES = {
    "minLength": gettext_noop("At least %(bound)s characters."),
    "maxLength": gettext_noop("At most %(bound)s characters."),
    "pattern": gettext_noop("This is not in the form that is asked for (%(bound)s)."),
    "minimum": gettext_noop("At least %(bound)s."),
    "exclusiveMinimum": gettext_noop("More than %(bound)s."),
    "maximum": gettext_noop("At most %(bound)s."),
    "exclusiveMaximum": gettext_noop("Less than %(bound)s."),
    "multipleOf": gettext_noop("A multiple of %(bound)s."),
    "maxDigits": gettext_noop("At most %(bound)s digits."),
    "wholeDigits": gettext_noop("At most %(bound)s digits before the point."),
    "decimalPlaces": gettext_noop("At most %(bound)s decimals."),
    "minItems": gettext_noop("At least %(bound)s of them."),
    "maxItems": gettext_noop("At most %(bound)s of them."),
    "uniqueItems": gettext_noop("The same is named twice."),
    "enum": gettext_noop("One of: %(bound)s."),
    "const": gettext_noop("This must be %(bound)s."),
}
_TYPES = {
    "string": gettext_noop("A text is needed."),
    "integer": gettext_noop("A whole number is needed."),
    "number": gettext_noop("A number is needed."),
    "boolean": gettext_noop("Yes or no is needed (true or false)."),
    "array": gettext_noop("A list is needed."),
    "object": gettext_noop("An object with fields is needed."),
    "null": gettext_noop("Nothing must be given here."),
}
_FORMATS = {
    DECIMAL: gettext_noop("A number such as 12.50 is needed."),
    "date": gettext_noop("A day such as 2026-12-31 is needed."),
    "date-time": gettext_noop("A moment with its zone is needed, such as 2026-12-31T18:00:00Z."),
    LOCAL_TIME: gettext_noop("A date and time such as 2026-12-31T18:00 is needed."),
    "time": gettext_noop("A time such as 18:30 is needed."),
    "duration": gettext_noop("A duration such as PT2H30M is needed."),
    "email": gettext_noop("An e-mail address is needed."),
    "uuid": gettext_noop("A UUID is needed."),
}
_DECIMAL_TEXT = gettext_noop("Write the number as a text, such as “12.50”, so that no digit is lost.")
_NO_FORM = gettext_noop("This fits none of the forms that are allowed.")
_OTHER = gettext_noop("This does not fit (%(rule)s).")


def _told(error: Error, at: str) -> Iterator[FieldError]:
    """The error as people understand it, at the field that it is about."""
    here = at + pointer(*error.absolute_path)
    match error.validator:
        case "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            yield from (FieldError(here + pointer(name), NEEDED) for name in missing)
        case "additionalProperties" | "unevaluatedProperties" if isinstance(error.instance, Mapping):
            known = error.schema.get("properties", {})
            yield from (FieldError(here + pointer(name), UNKNOWN) for name in error.instance if name not in known)
        case "anyOf" | "oneOf":
            yield from _told_of_choice(error, at, here)
        case "file":
            problem: FieldError = error.validator_value
            yield FieldError(here, problem.message, problem.params)
        case _:
            yield _told_of_rule(error, here)


def _told_of_choice(error: Error, at: str, here: str) -> Iterator[FieldError]:
    """Of something optional: what is wrong with it, not that it could be left out."""
    if all("const" in branch for branch in error.validator_value):
        choices = ", ".join(str(branch["const"]) for branch in error.validator_value)
        yield FieldError(here, _MESSAGES["enum"], {"bound": choices})
        return
    real = [index for index, branch in enumerate(error.validator_value) if branch.get("type") != "null"]
    inner = [found for found in error.context or () if len(real) == 1 and found.relative_schema_path[0] == real[0]]
    for found in inner:
        yield from _told(found, at)
    if not inner:
        yield FieldError(here, _NO_FORM)


def _told_of_rule(error: Error, here: str) -> FieldError:
    rule, bound = str(error.validator), error.validator_value
    if rule == "type":
        if isinstance(error.instance, int | float) and error.schema.get("format") == DECIMAL:
            return FieldError(here, _DECIMAL_TEXT)
        kinds = [kind for kind in (bound if isinstance(bound, list) else [bound]) if kind != "null"]
        return FieldError(here, _TYPES[kinds[0]] if len(kinds) == 1 else _NO_FORM)
    if rule == "format":
        return FieldError(here, _FORMATS.get(str(bound), _OTHER), {"rule": bound})
    if (rule, bound) in (("minLength", 1), ("minItems", 1)):
        return FieldError(here, NEEDED)
    shown = ", ".join(map(str, bound)) if isinstance(bound, list) else bound
    return FieldError(here, _MESSAGES.get(rule, _OTHER), {"bound": shown, "rule": rule})
