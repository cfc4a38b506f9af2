"""What a part of a JSON Schema is for a person who fills it in."""

import json
from collections.abc import Callable
from typing import Any

from approvals.outcomes import gettext_noop
from approvals.schemas import DECIMAL, LOCAL_TIME, MULTILINE, Schema

LONG_TEXT = 200  # characters: a text that may be longer is written in an area
RADIOS = 5  # so many choices are shown at once

YES_OR_NO = [{"const": True, "title": gettext_noop("Yes")}, {"const": False, "title": gettext_noop("No")}]

# A text of this format, by the kind of its control.
_FORMATS = {
    DECIMAL: "decimal",
    "date": "date",
    "date-time": "moment",
    LOCAL_TIME: "local",
    "time": "time",
    "email": "email",
    MULTILINE: "area",
}


def plain(schema: Schema) -> tuple[Schema, bool]:
    """The schema without its null, and whether null is allowed. Yes, no or nothing is a choice."""
    found, is_nullable = _without_null(schema)
    if is_nullable and found.get("type") == "boolean":
        found = {**{k: v for k, v in found.items() if k != "type"}, "oneOf": YES_OR_NO}
    return found, is_nullable


def kind_of(schema: Schema) -> str:
    """The control for a (plain) schema: line, area, email, number, decimal, date, moment, local, time, flag, choice,
    several, list, tuple, group, file, or json for whatever has none of its own."""
    if "file" in schema:
        return "file"
    if choices_of(schema):
        return "choice"
    find = _KINDS.get(str(schema.get("type")))
    return find(schema) if find else "json"


def choices_of(schema: Schema) -> list[tuple[str, Any]]:
    """(label, value) of each value that is allowed, if they are listed."""
    if isinstance(schema.get("enum"), list):
        return [(value_text(value), value) for value in schema["enum"]]
    branches = schema.get("oneOf")
    if isinstance(branches, list) and branches and all("const" in branch for branch in branches):
        return [(branch.get("title", value_text(branch["const"])), branch["const"]) for branch in branches]
    return [(value_text(schema["const"]), schema["const"])] if "const" in schema else []


def value_text(value: Any) -> str:
    """A JSON value as a label."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def label_of(schema: Schema, name: str) -> str:
    """What a field is called: its title, unless that is only the name of a class, or the name in words."""
    title = schema.get("title")
    if isinstance(title, str) and title and not title.isidentifier():
        return title
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _without_null(schema: Schema) -> tuple[Schema, bool]:
    branches = schema.get("anyOf")
    if isinstance(branches, list):
        others = [branch for branch in branches if branch.get("type") != "null"]
        if len(others) == 1:
            return {**others[0], **{k: v for k, v in schema.items() if k != "anyOf"}}, len(branches) > 1
    kinds = schema.get("type")
    if isinstance(kinds, list):
        named = [kind for kind in kinds if kind != "null"]
        if len(named) == 1:
            return {**schema, "type": named[0]}, len(kinds) > 1
    return schema, False


def _kind_of_text(schema: Schema) -> str:
    found = _FORMATS.get(str(schema.get("format")), "line")
    return "area" if found == "line" and schema.get("maxLength", 0) > LONG_TEXT else found


def _kind_of_list(schema: Schema) -> str:
    if isinstance(schema.get("prefixItems"), list):
        return "tuple"
    items = schema.get("items")
    if not isinstance(items, dict):
        return "json"
    return "several" if choices_of(items) and schema.get("uniqueItems") else "list"


_KINDS: dict[str, Callable[[Schema], str]] = {
    "array": _kind_of_list,
    "boolean": lambda _schema: "flag",
    "integer": lambda _schema: "number",
    "number": lambda _schema: "number",
    "object": lambda schema: "group" if schema.get("properties") else "json",
    "string": _kind_of_text,
}
