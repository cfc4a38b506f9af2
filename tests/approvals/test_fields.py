"""Forms made from a schema: what a page shows for it, and what it reads back, without losing a type or a letter."""

import json
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from django.http import QueryDict
from django.utils import timezone
from pydantic import BaseModel, Field

from approvals.fields.kinds import kind_of, label_of, plain
from approvals.fields.reading import ABSENT, Reader, row_removed
from approvals.fields.showing import Field as Shown
from approvals.fields.showing import Shower
from approvals.files import File, accepts
from approvals.proposals import proposal_of
from approvals.schemas import load, schema_of


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Line(BaseModel):
    text: str
    count: int = 1
    is_gift: bool = False


class Order(BaseModel):
    name: str = Field(title="Name of the buyer", description="As on the passport.")
    note: Annotated[str, Field(max_length=2000)] = ""
    total: Decimal
    weight: float = 0.5
    day: date
    at: datetime | None = None
    hour: time = time(9, 30)
    colour: Colour
    size: Literal["s", "m", "l", "xl", "xxl", "none"] = "m"
    tags: set[Colour] = set()
    is_urgent: bool = False
    insured: bool | None = None
    lines: list[Line] = Field(min_length=1)
    address: Line | None = None
    invoice: Annotated[File, accepts("application/pdf")] | None = None
    extra: dict[str, int] = {}


SCHEMA = schema_of(Order) or {}
FILLED = {
    "f/name": " Ana ",
    "f/note": "two\r\nlines",
    "f/total": "12.50",
    "f/weight": "1.5",
    "f/day": "2026-02-03",
    "f/at": "2026-02-03T10:00",
    "f/hour": "18:30",
    "f/colour": "1",
    "f/size": "4",
    "f/tags": ["0", "1"],
    "f/is_urgent": "on",
    "f/insured": "1",
    "f/lines/0/text": "a",
    "f/lines/0/count": "2",
    "f/lines/1/text": "",
    "f/lines/2/text": "b",
    "f/lines/2/count": "x",
    "f/lines/2/is_gift": "on",
    "f/address/text": "",
    "f/invoice": "5aef935e-8f0f-491c-9e8d-4df28ca8d7b9",
    "f/extra": '{"a": 1}',
}
READ = {
    "name": "Ana",
    "note": "two\nlines",
    "total": "12.50",
    "weight": 1.5,
    "day": "2026-02-03",
    "at": "2026-02-03T10:00:00+00:00",
    "hour": "18:30",
    "colour": "blue",
    "size": "xxl",
    "tags": ["red", "blue"],
    "is_urgent": True,
    "insured": False,
    "lines": [{"text": "a", "count": 2, "is_gift": False}, {"text": "b", "count": "x", "is_gift": True}],
    "invoice": {"id": "5aef935e-8f0f-491c-9e8d-4df28ca8d7b9"},
    "extra": {"a": 1},
}


def sent(given: dict[str, Any]) -> QueryDict:
    data = QueryDict(mutable=True)
    for name, value in given.items():
        data.setlist(name, value if isinstance(value, list) else [value])
    return data


def read(given: dict[str, Any], schema: Any = SCHEMA) -> Any:
    return Reader(sent(given)).read(schema, "f")


def shown(value: Any, schema: Any = SCHEMA, errors: dict[str, str] | None = None, **more: Any) -> Shown:
    return Shower(errors or {}, **more).show(schema, value, "f", "/input")


def named(root: Shown, name: str) -> Shown:
    return next(field for field in root.fields if field.name == f"f/{name}")


# -- what it is ------------------------------------------------------------------------------------------------------


def test_every_type_has_its_control() -> None:
    kinds = {field.name.removeprefix("f/"): field.kind for field in shown(None).fields}
    assert kinds == {
        "name": "line",
        "note": "area",
        "total": "decimal",
        "weight": "number",
        "day": "date",
        "at": "moment",
        "hour": "time",
        "colour": "choice",
        "size": "choice",
        "tags": "several",
        "is_urgent": "flag",
        "insured": "choice",
        "lines": "list",
        "address": "group",
        "invoice": "file",
        "extra": "json",
    }


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        {"$ref": "#/$defs/x"},
        {"type": "array"},
    ],
)
def test_what_has_no_control_of_its_own_is_written_as_json(schema: Any) -> None:
    assert kind_of(plain(schema)[0]) == "json"


@pytest.mark.parametrize(
    ("title", "label"), [("Name of it", "Name of it"), ("OrderLine", "Due on"), ("", "Due on"), (None, "Due on")]
)
def test_a_label_is_the_title_but_not_the_name_of_a_class(title: Any, label: str) -> None:
    assert label_of({"title": title}, "due_on") == label


def test_fields_keep_the_order_in_which_they_are_written() -> None:
    stored = json.loads(json.dumps(SCHEMA, sort_keys=True))  # as PostgreSQL would give it back, or worse
    names = [field.name.removeprefix("f/") for field in shown(None, stored).fields]
    assert names == list(Order.model_fields)
    proposal = proposal_of({"z": 1, "a": 2}, True)
    assert proposal is not None
    assert [field.name for field in shown({}, json.loads(json.dumps(proposal.schema, sort_keys=True))).fields] == [
        "f/z",
        "f/a",
    ]


# -- showing ---------------------------------------------------------------------------------------------------------


def test_what_is_needed_defaulted_and_explained() -> None:
    root = shown(None)
    name, weight, size = named(root, "name"), named(root, "weight"), named(root, "size")
    assert (name.label, name.help, name.is_required) == ("Name of the buyer", "As on the passport.", True)
    assert (weight.text, weight.is_required) == ("0.5", False)
    assert [choice.label for choice in size.choices if choice.is_chosen] == ["m"]
    assert (named(root, "colour").are_radios, size.are_radios) == (True, False)
    assert named(root, "invoice").types == ["application/pdf"]
    assert len(named(root, "lines").fields) == 1  # one row to begin with
    assert root.has_files


def test_what_was_typed_is_shown_again_whatever_it_was() -> None:
    root = shown({**READ, "total": "a lot", "extra": "{"})
    assert [named(root, name).text for name in ("total", "extra", "note")] == ["a lot", "{", "two\nlines"]
    assert [choice.is_chosen for choice in named(root, "tags").choices] == [True, True]
    assert [line.fields[1].text for line in named(root, "lines").fields] == ["2", "x"]


def test_an_error_stands_at_its_field() -> None:
    root = shown(READ, errors={"/input/lines/1/count": "A whole number is needed.", "/input/day": "No."})
    assert named(root, "day").errors == ["No."]
    assert named(root, "lines").fields[1].fields[1].errors == ["A whole number is needed."]


def test_moments_are_in_the_readers_zone() -> None:
    with timezone.override("Europe/Zurich"):
        assert named(shown({"at": "2026-02-03T10:00:00+00:00"}), "at").text == "2026-02-03T11:00"
        assert read({"f/at": "2026-02-03T11:00"})["at"] == "2026-02-03T11:00:00+01:00"


def test_only_what_is_editable_has_a_control() -> None:
    root = shown(READ, editable=("total",))
    assert [field.name for field in root.fields if not field.is_fixed] == ["f/total"]
    orders = shown([READ, READ], {"type": "array", "items": SCHEMA}, editable=("total",))
    assert not orders.can_grow
    assert [field.name for field in orders.fields[1].fields if not field.is_fixed] == ["f/1/total"]


# -- reading ---------------------------------------------------------------------------------------------------------


def test_a_filled_form_is_json_that_fits_the_type() -> None:
    assert read(FILLED) == READ
    given = read({**FILLED, "f/lines/2/count": "3", "f/invoice": ""})
    order = load(Order, given)
    assert (order.total, order.colour, order.lines[1].count) == (Decimal("12.50"), Colour.BLUE, 3)


def test_the_file_that_is_here_stays_when_no_other_is_chosen() -> None:
    assert read({"f/invoice": ["5aef", ""]})["invoice"] == {"id": "5aef"}


def test_what_is_left_empty_is_left_out() -> None:
    assert read({}) == {"is_urgent": False, "lines": []}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("weight", "NaN"),
        ("weight", "1e"),
        ("colour", "7"),
        ("colour", "x"),
        ("at", "soon"),
        ("extra", "{"),
        ("extra", "NaN"),
    ],
)
def test_what_cannot_be_read_stays_what_was_typed(name: str, text: str) -> None:
    assert read({f"f/{name}": text})[name] == text


def test_characters_that_cannot_be_kept_are_dropped() -> None:
    assert read({"f/name": "A\x00na"})["name"] == "Ana"


def test_what_was_read_is_read_again_from_what_is_shown() -> None:
    def controls(field: Shown) -> dict[str, Any]:
        if field.kind in ("choice", "several"):
            return {field.name: [str(choice.index) for choice in field.choices if choice.is_chosen]}
        if field.kind == "flag":
            return {field.name: "on"} if field.value else {}
        if field.kind == "file":
            return {field.name: (field.value or {}).get("id", "")}
        found = {field.name: field.text} if not field.fields else {}
        for inner in field.fields:
            found |= controls(inner)
        return found

    assert read(controls(shown(READ))) == READ


def test_a_row_can_be_taken_out_of_a_list() -> None:
    data = row_removed(sent(FILLED), "f/lines/0")
    assert [line["text"] for line in Reader(data).read(SCHEMA, "f")["lines"]] == ["b"]
    assert data["f/name"] == " Ana "
    assert dict(row_removed(sent(FILLED), "f/lines/x").lists()) == dict(sent(FILLED).lists())


def test_a_list_keeps_its_empty_rows_on_the_page() -> None:
    reader = Reader(sent({"f/lines/4/text": ""}))
    reader.read(SCHEMA, "f")
    assert reader.rows == {"f/lines": 5}
    assert len(named(shown(None, rows=reader.rows), "lines").fields) == 5


# -- corrections -----------------------------------------------------------------------------------------------------

DRAFT = {
    "text": "Dear Ana\r\n\r\n  yours \n",
    "at": datetime.fromisoformat("2026-02-03T10:00:42+05:00"),
    "cost": 1.10,
    "title": "  spaced ",
    "fixed": "x",
    "is_sent": False,
}
EDITABLE = ["text", "at", "cost", "title", "is_sent"]


def corrected(changes: dict[str, Any], editable: Any = EDITABLE, draft: Any = DRAFT) -> Any:
    proposal = proposal_of(draft, editable)
    assert proposal is not None
    root = Shower({}, editable=proposal.editable).show(proposal.schema, proposal.value, "p", "/value")
    controls = {f.name: f.text.replace("\n", "\r\n") for f in root.fields if not f.is_fixed and f.kind != "flag"}
    return Reader(sent({**controls, **changes})).read_correction(proposal, "p"), proposal.value


def test_a_proposal_that_nobody_touched_is_the_same_to_the_letter() -> None:
    read_back, value = corrected({})
    assert read_back == {name: value[name] for name in EDITABLE}


def test_only_what_was_touched_is_another() -> None:
    read_back, value = corrected({"p/text": "", "p/cost": "2", "p/is_sent": "on", "p/fixed": "y"})
    assert read_back == {"text": "", "at": value["at"], "cost": 2, "title": "  spaced ", "is_sent": True}


def test_a_list_that_was_emptied_is_empty() -> None:
    assert corrected({}, ["tags"], {"tags": []})[0] == {"tags": []}
    proposal = proposal_of({"tags": ["a"]}, ["tags"])
    assert proposal is not None
    assert Reader(sent({"p/tags/0": ""})).read_correction(proposal, "p") == {"tags": []}


def test_a_number_that_was_emptied_is_missing_not_kept() -> None:
    assert corrected({"p/cost": ""})[0]["cost"] is None


def test_every_item_of_a_list_is_corrected_by_itself() -> None:
    proposal = proposal_of([{"to": "ana", "n": 1}, {"to": "bob", "n": 2}], ["to"])
    assert proposal is not None
    data = sent({"p/0/to": "ana", "p/1/to": "eve"})
    assert Reader(data).read_correction(proposal, "p") == [{"to": "ana"}, {"to": "eve"}]


def test_a_plain_text_is_corrected_as_a_whole() -> None:
    proposal = proposal_of("Dear Ana", True)
    assert proposal is not None
    assert Reader(sent({"p": "Dear Bob"})).read_correction(proposal, "p") == "Dear Bob"
    assert Reader(sent({})).read(SCHEMA, "nothing", is_required=False) is ABSENT
