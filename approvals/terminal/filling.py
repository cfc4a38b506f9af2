"""Filling in a form at the terminal: one question for each field."""

import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

from approvals.cards import Card
from approvals.errors import InvalidInput
from approvals.files import BINARY, file_rule
from approvals.outcomes import Outcome
from approvals.schemas import Schema
from approvals.testing import Human
from approvals.validation import errors_in
from workflows.terminal.arguments import value_of
from workflows.terminal.screen import Screen
from workflows.tree import one_line


class Closed(Exception):
    """The question is not open any more."""


class Filling:
    """Asks a person for the parts of one answer. What does not fit its field is asked again; whether the whole fits is
    for `submission_check` to say."""

    def __init__(self, screen: Screen, human: Human, is_open: Callable[[], bool]) -> None:
        self._screen = screen
        self._human = human
        self._is_open = is_open

    def line(self, prompt: str) -> str:
        """What is typed. Raises Closed, EOFError."""
        typed = self._screen.read(prompt, while_=self._is_open)
        if typed is None:
            raise Closed
        return typed

    def input(self, card: Card, outcome: Outcome) -> Any:
        """What the outcome's form takes; None without one."""
        schema = card.form_for(outcome)
        return None if schema is None else self._value("Input", schema)

    def edits(self, card: Card, outcome: Outcome) -> Any:
        """The fields of the proposal that are to be different; None when nothing is."""
        proposal = card.proposal
        if proposal is None or not proposal.is_editable or outcome.is_negative:
            return None
        if not isinstance(proposal.value, dict):
            return self._change("The proposal", proposal.schema, proposal.value)
        fields = proposal.schema.get("properties", {})
        changes = {
            name: self._change(name, fields.get(name, {}), value)
            for name, value in proposal.value.items()
            if proposal.is_field_editable(name)
        }
        return {name: value for name, value in changes.items() if value is not None} or None

    def _change(self, name: str, schema: Schema, value: Any) -> Any:
        return self._field(f"{name} [{one_line(value)}]", schema, is_required=False)

    def _value(self, name: str, schema: Schema) -> Any:
        """A value of this schema: an object field by field, anything else at once."""
        if "properties" not in schema or _takes_file(schema):
            return self._field(schema.get("title", name), schema, is_required=True)
        required = schema.get("required", [])
        fields = {
            name: self._field(_label(name, field), field, is_required=name in required)
            for name, field in schema["properties"].items()
        }
        return {name: value for name, value in fields.items() if value is not None}

    def _field(self, label: str, schema: Schema, *, is_required: bool) -> Any:
        """One field; None for one that is left out."""
        hint = _hint(schema)
        while True:
            typed = self.line(f"{label}{f' ({hint})' if hint else ''}{'' if is_required else ', or nothing'}:")
            if not typed and not is_required:
                return None
            try:
                return self._read(typed, schema)
            except (InvalidInput, OSError) as error:
                self._screen.say(str(error).removeprefix("/: "), "yellow")

    def _read(self, typed: str, schema: Schema) -> Any:
        """What was typed as the schema takes it: JSON, or the text itself; of a path the file. Errors: InvalidInput,
        OSError."""
        candidates = [self._upload(typed)] if _takes_file(schema) else [value_of(typed), typed]
        rule = file_rule(self._human.humans.files.get)
        errors = [errors_in(schema, candidate, "", rule) for candidate in candidates]
        for candidate, found in zip(candidates, errors, strict=True):
            if not found:
                return candidate
        raise InvalidInput(errors[-1 if _takes_text(schema) else 0])

    def _upload(self, typed: str) -> Any:
        path = Path(typed).expanduser()
        kind = mimetypes.guess_type(path.name)[0] or BINARY
        return self._human.upload(path.name, path.read_bytes(), kind).model_dump()


def _label(name: str, schema: Schema) -> str:
    return str(schema.get("title") or name)


def _takes_file(schema: Schema) -> bool:
    return any("file" in way for way in _ways(schema))


def _takes_text(schema: Schema) -> bool:
    return any(way.get("type") == "string" for way in _ways(schema))


def _hint(schema: Schema) -> str:
    """What may be typed, as far as the schema says it in few words."""
    if _takes_file(schema):
        return "the path of a file"
    return " or ".join(filter(None, map(_said, _ways(schema))))


def _ways(schema: Schema) -> list[Schema]:
    """What the value may be, but for nothing: a field of `T | None` has two ways."""
    return [way for way in schema.get("anyOf", [schema]) if way.get("type") != "null"]


def _said(way: Schema) -> str:
    if "enum" in way:
        return ", ".join(str(item) for item in way["enum"])
    return str(way.get("format") or (way.get("type", "") if way.get("type") != "string" else ""))
