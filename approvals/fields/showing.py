"""The controls of a form: one for each part of its schema, with the value that stands in it and what is wrong with
it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from approvals.fields.kinds import RADIOS, choices_of, kind_of, label_of, plain
from approvals.fields.texts import text_of
from approvals.files import FILE_LIMIT
from approvals.proposals import LONG_VALUE
from approvals.schemas import Schema, pointer, properties_of

ROWS_LIMIT = 50


@dataclass
class Choice:
    """One of the values of a choice; its `index` is what is sent."""

    index: int
    label: str
    is_chosen: bool


@dataclass
class Field:
    """A control, or several of them. `name` is what is sent, `text` what stands in it; `is_fixed` for what is only
    shown. `about` is what the field is an answer to, where that is shown beside it."""

    name: str
    label: str
    kind: str
    value: Any = None
    text: str = ""
    help: str = ""
    is_required: bool = False
    is_fixed: bool = False
    errors: list[str] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    fields: list["Field"] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    limit_kb: int = 0
    can_grow: bool = False
    about: "Field | None" = None

    @property
    def are_radios(self) -> bool:
        return len(self.choices) <= RADIOS

    @property
    def has_files(self) -> bool:
        return self.kind == "file" or any(inner.has_files for inner in self.fields)


@dataclass
class Shower:
    """Makes the controls of one form. `errors` are by JSON pointer; `rows` says how many rows a list has, by its name;
    `editable` names the fields that can be changed (True: all), of a list those of each item."""

    errors: Mapping[str, str]
    rows: Mapping[str, int] = field(default_factory=dict)
    editable: Any = True

    def show(
        self, schema: Schema, value: Any, name: str, at: str, *, label: str = "", is_required: bool = True
    ) -> Field:
        """The control `name` for the value, which is at the JSON pointer `at` of an answer."""
        found, is_nullable = plain(schema)
        value = found.get("default") if value is None else value
        shown = Field(
            name=name,
            label=label_of(found, label),
            kind=_kind(found, value),
            value=value,
            help=str(found.get("description", "")),
            is_required=is_required and not is_nullable,
            is_fixed=self.editable is not True,
            errors=[self.errors[at]] if at in self.errors else [],
        )
        self._fill(shown, found, at)
        return shown

    def _fill(self, shown: Field, schema: Schema, at: str) -> None:
        match shown.kind:
            case "group":
                shown.fields = self._group(shown, schema, at)
            case "list":
                shown.fields = self._list(shown, schema, at)
                shown.can_grow = not shown.is_fixed and len(shown.fields) < schema.get("maxItems", ROWS_LIMIT)
            case "tuple":
                shown.fields = self._tuple(shown, schema, at)
            case "choice" | "several":
                shown.choices = _choices(shown, schema)
            case "file":
                rule = schema["file"] if isinstance(schema["file"], dict) else {}
                shown.types = list(rule.get("types", ()))
                shown.limit_kb = rule.get("max_bytes", FILE_LIMIT) // 1024
        shown.text = text_of(shown.kind, shown.value)

    def _group(self, shown: Field, schema: Schema, at: str) -> list[Field]:
        values = shown.value if isinstance(shown.value, dict) else {}
        return [
            self._inside(key).show(
                part,
                values.get(key),
                f"{shown.name}/{key}",
                at + pointer(key),
                label=key,
                is_required=key in schema.get("required", ()),
            )
            for key, part in properties_of(schema).items()
        ]

    def _list(self, shown: Field, schema: Schema, at: str) -> list[Field]:
        values = shown.value if isinstance(shown.value, list) else []
        least = max(schema.get("minItems", 0), 1 if shown.is_required else 0)
        count = len(values) if shown.is_fixed else max(len(values), self.rows.get(shown.name, least))
        values = [*values, *[None] * (count - len(values))]
        return [
            self.show(schema["items"], value, f"{shown.name}/{index}", at + pointer(index), label=str(index + 1))
            for index, value in enumerate(values)
        ]

    def _tuple(self, shown: Field, schema: Schema, at: str) -> list[Field]:
        values = shown.value if isinstance(shown.value, list) else []
        return [
            self.show(
                part,
                values[index] if index < len(values) else None,
                f"{shown.name}/{index}",
                at + pointer(index),
                label=str(index + 1),
            )
            for index, part in enumerate(schema["prefixItems"])
        ]

    def _inside(self, key: str) -> "Shower":
        """For a field of an object: it can be changed if it is named."""
        if self.editable is True:
            return self
        return Shower(self.errors, self.rows, True if key in self.editable else ())


def _kind(schema: Schema, value: Any) -> str:
    kind = kind_of(schema)
    is_long = isinstance(value, str) and ("\n" in value or len(value) > LONG_VALUE)
    return "area" if kind == "line" and is_long else kind


def _choices(shown: Field, schema: Schema) -> list[Choice]:
    chosen = shown.value if shown.kind == "several" and isinstance(shown.value, list) else [shown.value]
    offered = choices_of(schema["items"] if shown.kind == "several" else schema)
    return [Choice(index, label, value in chosen) for index, (label, value) in enumerate(offered)]
