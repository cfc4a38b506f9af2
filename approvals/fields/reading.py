"""What a form has sent, as JSON. Nothing is refused here: see `texts.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from approvals.fields.kinds import choices_of, kind_of, plain
from approvals.fields.texts import text_of, value_of
from approvals.proposals import Proposal
from approvals.schemas import Schema

ROWS_LIMIT = 200
ABSENT: Any = object()  # nothing was given


@dataclass
class Reader:
    """Reads the controls of one form. `rows` says how many rows each list had on the page, by the name of the list."""

    data: QueryDict
    rows: dict[str, int] = field(default_factory=dict)

    def read(self, schema: Schema, name: str, *, known: Any = ABSENT, is_required: bool = True) -> Any:
        """The JSON value of the field `name`; ABSENT when nothing was given. `known` is what stood there to be
        corrected: it stays as it is unless its text was changed, and a text that was emptied is empty."""
        found, is_nullable = plain(schema)
        kind = kind_of(found)
        if kind in _STRUCTURES:
            value = _STRUCTURES[kind](self, found, name, known)
            is_optional = known is ABSENT and (is_nullable or not is_required)
            return ABSENT if is_optional and is_untouched(value, found) else value
        if kind == "flag":
            return name in self.data
        text = self.data.get(name, "").replace("\r\n", "\n").replace("\x00", "")
        if known is not ABSENT and kind != "choice" and text == text_of(kind, known).replace("\r\n", "\n"):
            return known
        text = text if kind == "area" or known is not ABSENT else text.strip()
        if text:
            return value_of(kind, found, text)
        return ABSENT if known is ABSENT else "" if isinstance(known, str) else None

    def read_correction(self, proposal: Proposal, name: str) -> Any:
        """The fields of a proposal that can be corrected, as they stand in the form now."""
        schema, _is_nullable = plain(proposal.schema)
        if proposal.editable is True:
            return self.read(schema, name, known=proposal.value)
        if isinstance(proposal.value, list):
            parts = schema.get("prefixItems") or [schema.get("items", {})] * len(proposal.value)
            pairs = enumerate(zip(parts, proposal.value, strict=False))
            return [self._editable(proposal, part, item, f"{name}/{index}") for index, (part, item) in pairs]
        return self._editable(proposal, schema, proposal.value, name)

    def _editable(self, proposal: Proposal, schema: Schema, value: dict[str, Any], name: str) -> dict[str, Any]:
        parts = schema.get("properties", {})
        keys = [key for key in value if proposal.is_field_editable(key)]
        return {key: self.read(parts.get(key, {}), f"{name}/{key}", known=value[key]) for key in keys}

    def _group(self, schema: Schema, name: str, known: Any) -> Any:
        before = known if isinstance(known, dict) else {}
        needed = schema.get("required", ())
        read = {
            key: self.read(part, f"{name}/{key}", known=before.get(key, ABSENT), is_required=key in needed)
            for key, part in schema["properties"].items()
        }
        return {key: value for key, value in read.items() if value is not ABSENT}

    def _list(self, schema: Schema, name: str, known: Any) -> Any:
        count = self.rows[name] = self._row_count(name)
        before = known if isinstance(known, list) and len(known) == count else [ABSENT] * count
        found = [self.read(schema["items"], f"{name}/{i}", known=item) for i, item in enumerate(before)]
        return [item for item in found if not is_blank(item)]

    def _tuple(self, schema: Schema, name: str, known: Any) -> Any:
        parts = schema["prefixItems"]
        before = known if isinstance(known, list) and len(known) == len(parts) else [ABSENT] * len(parts)
        found = [
            self.read(part, f"{name}/{index}", known=item)
            for index, (part, item) in enumerate(zip(parts, before, strict=True))
        ]
        return [None if item is ABSENT else item for item in found]

    def _several(self, schema: Schema, name: str, known: Any) -> Any:
        sent = self.data.getlist(name)
        return [value for index, (_label, value) in enumerate(choices_of(schema["items"])) if str(index) in sent]

    def _file(self, schema: Schema, name: str, known: Any) -> Any:
        # A control with no file chosen is sent as an empty text beside the id of the file that is here already.
        id = next((sent for sent in reversed(self.data.getlist(name)) if sent), "")
        return {"id": id} if id else ABSENT

    def _row_count(self, name: str) -> int:
        rows = [_row_of(key, name) for key in self.data]
        return min(max((row for row in rows if row is not None), default=-1) + 1, ROWS_LIMIT)


_STRUCTURES: Mapping[str, Callable[[Reader, Schema, str, Any], Any]] = {
    "group": Reader._group,
    "list": Reader._list,
    "tuple": Reader._tuple,
    "several": Reader._several,
    "file": Reader._file,
}


def is_blank(value: Any) -> bool:
    """Whether a row of a list was left empty: no text in it, and nothing ticked."""
    if isinstance(value, dict):
        return all(is_blank(item) for item in value.values())
    if isinstance(value, list):
        return all(is_blank(item) for item in value)
    return value is ABSENT or value is None or value is False or value == ""


def is_untouched(value: Any, schema: Schema) -> bool:
    """Whether nothing was given: what stands in the controls is blank, or what stood in them at first."""
    parts = schema.get("properties", {})
    if isinstance(value, dict) and parts:
        return all(is_blank(item) or item == plain(parts[key])[0].get("default") for key, item in value.items())
    return is_blank(value)


def row_removed(data: QueryDict, row: str) -> QueryDict:
    """The data without one row of a list (`form/lines/2`); the rows after it move up."""
    name, _slash, _number = row.rpartition("/")
    removed = _row_of(row, name)
    found = QueryDict(mutable=True)
    for key, values in data.lists():
        index = _row_of(key, name)
        if index is None or removed is None or index < removed:
            found.setlist(key, values)
        elif index > removed:
            _index, slash, rest = key[len(name) + 1 :].partition("/")
            found.setlist(f"{name}/{index - 1}{slash}{rest}", values)
    return found


def _row_of(key: str, name: str) -> int | None:
    """Which row of the list `name` this control belongs to."""
    index = key[len(name) + 1 :].partition("/")[0] if key.startswith(f"{name}/") else ""
    return int(index) if index.isascii() and index.isdigit() and len(index) < 4 else None
