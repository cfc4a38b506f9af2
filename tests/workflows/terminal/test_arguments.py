"""From words to arguments: JSON where it is JSON and fits, else the text."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from workflows import Context, workflow
from workflows.terminal.arguments import arguments_of, value_of
from workflows.terminal.errors import CannotRun


@workflow(name="terminal.pay")
async def pay(ctx: Context, amount: Decimal, note: str = "", *more: int, day: date | None = None, **rest: int) -> None:
    """Takes arguments of every kind."""


@pytest.mark.parametrize(
    ("word", "annotation", "value"),
    [
        ("42", int, 42),
        ("42", Any, 42),
        ("42", str, "42"),
        ('"42"', str, "42"),
        ("4.20", float, 4.2),
        ("4.20", Any, 4.2),
        ("4.20", str, "4.20"),
        ("4.20", Decimal, "4.20"),
        ("0.1", str | float, 0.1),
        ("true", bool, True),
        ("null", str | None, None),
        ("null", str, "null"),
        ("", str, ""),
        ("hello", Any, "hello"),
        ("hello world", str, "hello world"),
        ('["api", "web"]', list[str], ["api", "web"]),
        ('{"a": 1}', dict[str, int], {"a": 1}),
        ("2026-01-05", date, "2026-01-05"),
        ("NaN", Any, "NaN"),
        ("{not json", str, "{not json"),
    ],
)
def test_a_word(word: str, annotation: Any, value: Any) -> None:
    found = value_of(word, annotation)
    assert (found, type(found)) == (value, type(value))


def test_each_word_is_read_by_its_own_annotation() -> None:
    args, kwargs = arguments_of(pay, ["2.10", "7", "8", "9"], ["day=2026-01-05", "other=5"])
    assert (args, kwargs) == (["2.10", "7", 8, 9], {"day": "2026-01-05", "other": 5})


@pytest.mark.parametrize(
    ("words", "named", "reason"),
    [
        ([], [], "missing a required argument: 'amount'"),
        (["much"], [], "argument 'amount': 'much' is no"),
        (["1", "2", "three"], [], "argument 'more': 'three' is no"),
        (["1"], ["amount=2"], "multiple values for argument 'amount'"),
        (["1"], ["rest"], r"NAME=VALUE, each name once, not 'rest'"),
        (["1"], ["a=1", "a=2"], "each name once"),
    ],
)
def test_what_does_not_fit_is_told_by_name(words: list[str], named: list[str], reason: str) -> None:
    with pytest.raises(CannotRun, match=reason):
        arguments_of(pay, words, named)
