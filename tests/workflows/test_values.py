"""Values and errors across the boundary: JSON by annotation, and the same class again where that is possible."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from tests.workflows.playground import Playground
from workflows import Context, RemoteError, codec, portable, workflow
from workflows.errors import EncodingError, InvalidArguments, error_from_json, error_to_json

T = TypeVar("T")


class Color(Enum):
    RED = "red"


@dataclass
class Line:
    amount: Decimal
    on: date
    note: str | None = None
    blob: bytes = b""


class Claim(BaseModel):
    id: UUID
    lines: list[Line]
    color: Color = Color.RED


class Scan(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    pages: dict[UUID, bytes]


class PlainScan(BaseModel):
    page: bytes


class Place(NamedTuple):
    street: str
    since: date


@dataclass
class Tree(Generic[T]):
    item: T
    below: "list[Tree[T]]" = field(default_factory=list)


VALUES: list[tuple[Any, Any]] = [
    (Any, {"a": [1, 2.5, None, True, "ü"]}),
    (datetime, datetime(2026, 11, 24, 12, 30, 1, 500, tzinfo=UTC)),
    (date, date(2026, 11, 24)),
    (timedelta, timedelta(days=1, milliseconds=5)),
    (Decimal, Decimal("123.450")),
    (UUID, UUID("12345678123456781234567812345678")),
    (Color, Color.RED),
    (bytes, b"\x00\xff\xfe"),
    (list[bytes], [b"", b"\xff"]),
    (Line, Line(Decimal("1.10"), date(2026, 1, 1), blob=b"\xff")),
    (Claim, Claim(id=UUID(int=7), lines=[Line(Decimal(3), date(2026, 1, 1), "x")])),
    (dict[int, Line], {7: Line(Decimal(1), date(2026, 1, 1))}),
    (tuple[int, str], (1, "a")),
    (set[int], {1, 2}),
    (Line | None, None),
    (Scan, Scan(pages={UUID(int=1): b"\xff\xfb\xfe"})),
    (PlainScan, PlainScan(page="ü".encode())),
    (Place, Place("Main", date(2026, 1, 1))),
    (Tree[Decimal], Tree(Decimal("1.10"), [Tree(Decimal("2.00"))])),
    (frozenset[Color], frozenset({Color.RED})),
    (datetime | None, datetime(2026, 1, 1, tzinfo=UTC)),
    (list[Claim], []),
]


@pytest.mark.parametrize(("annotation", "value"), VALUES, ids=[str(annotation) for annotation, _ in VALUES])
def test_round_trip(annotation: Any, value: Any) -> None:
    from promises.values import decode, encode

    assert codec.from_json(decode(encode(codec.to_json(value))), annotation) == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=20,
    )
)
def test_plain_json_round_trips_without_an_annotation(value: Any) -> None:
    from promises.values import decode, encode

    assert codec.from_json(decode(encode(codec.to_json(value))), Any) == value


@pytest.mark.parametrize("annotation", [Line, Claim, Decimal, bytes, list[Line]])
def test_typed_steps_and_arguments_in_a_workflow(play: Playground, annotation: Any) -> None:
    value = (
        next(value for known, value in VALUES if known == annotation) if annotation != list[Line] else [VALUES[9][1]]
    )

    def step(value: Any) -> Any:
        return value

    step.__annotations__["return"] = annotation
    seen = []

    async def body(ctx: Context, given: Any) -> None:
        seen.append(given)
        seen.append(await ctx.run(step, given))
        await ctx.promise()

    body.__annotations__["given"] = annotation
    play.start(workflow(body), value)
    play.work()
    play.store.settle("r:2", "resolved", codec_value())
    play.work()
    assert seen == [value] * 4


def codec_value() -> Any:
    from promises.values import Value

    return Value.of(None)


class Opaque:
    pass


@pytest.mark.parametrize("value", [Opaque(), {"a": Opaque()}, float("nan"), [float("inf")], lambda: 0])
def test_a_result_that_is_no_json_rejects_the_step_at_once(play: Playground, value: Any) -> None:
    calls = []

    @workflow
    async def flow(ctx: Context) -> str:
        try:
            await ctx.run(lambda: calls.append(1) or value)
        except EncodingError:
            return "unfit"
        return ""

    assert play.run(flow) == "unfit"
    assert len(calls) == 1


def test_bytes_of_a_model_that_are_no_text_ask_for_its_configuration() -> None:
    with pytest.raises(EncodingError, match=r"PlainScan .*ser_json_bytes='base64'"):
        codec.to_json(PlainScan(page=b"\xff"))


def test_an_annotation_that_no_json_can_become_is_told(play: Playground) -> None:
    def step() -> Opaque:
        return 7  # type: ignore[return-value]

    @workflow
    async def flow(ctx: Context) -> str:
        with pytest.raises(EncodingError, match=r"Opaque.* cannot be read from JSON"):
            await ctx.run(step)
        return "told"

    @workflow
    async def asks(ctx: Context, of: Opaque) -> None: ...

    assert play.run(flow) == "told"
    with pytest.raises(InvalidArguments, match="asks: argument 'of'"):
        asks.bind([7], {})


def test_a_workflows_own_result_that_is_no_json_rejects_it(play: Playground) -> None:
    @workflow
    async def flow(ctx: Context) -> Any:
        return Opaque()

    with pytest.raises(EncodingError, match="Opaque"):
        play.run(flow)


def test_arguments_are_checked_against_the_signature() -> None:
    @workflow
    async def flow(ctx: Context, claim: Claim, *more: int, flag: bool = False, **rest: Decimal) -> None: ...

    args, kwargs = flow.bind([{"id": str(UUID(int=1)), "lines": []}, "7"], {"flag": True, "x": "1.5"})
    assert args == [Claim(id=UUID(int=1), lines=[]), 7]
    assert kwargs == {"flag": True, "x": Decimal("1.5")}
    for bad in (([], {}), ([{}], {}), ([{"id": str(UUID(int=1)), "lines": []}, "word"], {})):
        with pytest.raises(InvalidArguments, match="flow"):
            flow.bind(*bad)


@portable
class Declined(Exception):
    pass


@portable
class Picky(Exception):
    def __init__(self, message: str) -> None:
        if not message.isdigit():
            raise ValueError("digits only")
        super().__init__(message)


class Undeclared(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "comes_back_as"),
    [
        (ValueError("bad"), ValueError("bad")),
        (KeyError("k"), KeyError("k")),
        (KeyError(), KeyError("")),
        (Declined("no"), Declined("no")),
        (TimeoutError("slow"), TimeoutError("slow")),
        (Undeclared("odd"), RemoteError("odd")),
        (StopIteration(), RemoteError("")),
        (ExceptionGroup("many", [ValueError()]), RemoteError("many (1 sub-exception)")),
        (
            UnicodeDecodeError("utf8", b"x", 0, 1, "why"),
            RemoteError("'utf8' codec can't decode byte 0x78 in position 0: why"),
        ),
        (RemoteError("far", "Far"), RemoteError("far")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_across_the_boundary(play: Playground, error: Exception, comes_back_as: Exception) -> None:
    def step() -> None:
        raise error

    @workflow
    async def child(ctx: Context) -> None:
        await ctx.options(retry=None).run(step)

    @workflow
    async def flow(ctx: Context) -> str:
        with pytest.raises(type(comes_back_as)) as caught:
            await ctx.rpc(child)  # across two boundaries
        assert type(caught.value) is type(comes_back_as)
        assert str(caught.value) == str(comes_back_as)
        if isinstance(caught.value, RemoteError):
            assert caught.value.name == (error.name if isinstance(error, RemoteError) else type(error).__name__)
        return "caught"

    assert play.run(flow) == "caught"


@pytest.mark.parametrize(
    "value", [None, 7, [], {}, {"name": "SystemExit", "message": "x"}, {"name": "Picky", "message": "x"}, "text"]
)
def test_foreign_rejections_are_remote_errors(value: Any) -> None:
    assert type(error_from_json(value)) is RemoteError


def test_two_portable_classes_cannot_share_a_name() -> None:
    with pytest.raises(ValueError, match=r"test_values\.Declined already comes back under this name"):

        @portable
        class Declined(Exception):
            pass


def test_the_wire_form_of_an_error() -> None:
    assert error_to_json(Declined("no")) == {"__type": "error", "name": "Declined", "message": "no"}
