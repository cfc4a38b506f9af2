"""Cards: what the builders make, what is refused, and that a rendered block never runs what somebody wrote."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from approvals import blocks
from approvals.blocks import blocks_check, is_safe_url
from approvals.cards import card
from approvals.durations import after, duration_of
from approvals.errors import InvalidCard
from approvals.templatetags.countersign import card_block, diff_lines, markdown


def test_facts_keep_what_was_given_as_people_read_it() -> None:
    made = blocks.facts({"Paid by": "card"}, total=Decimal("214.40"), due_on=date(2026, 11, 3), tags=["a", "b"])
    assert made["items"] == [
        {"label": "Paid by", "value": "card"},
        {"label": "Total", "value": "214.40"},
        {"label": "Due on", "value": "2026-11-03"},
        {"label": "Tags", "value": "a, b"},
    ]


def test_a_table_of_mappings_takes_their_keys_and_sets_numbers_right() -> None:
    made = blocks.table([{"what": "Supper", "amount": Decimal("84.50")}, {"what": "Train", "amount": "129.90"}])
    assert made["columns"] == [{"label": "What", "numeric": False}, {"label": "Amount", "numeric": True}]
    assert made["rows"] == [["Supper", "84.50"], ["Train", "129.90"]]


def test_a_table_of_sequences_takes_the_heads_given() -> None:
    made = blocks.table([("api", "2.3.0")], ["service", "runs now"])
    assert [column["label"] for column in made["columns"]] == ["Service", "Runs now"]
    assert blocks.table([], ["a"])["rows"] == []


ALL = [
    blocks.facts(total=1),
    blocks.markdown("**bold**"),
    blocks.table([{"a": 1}]),
    blocks.diff("a\n", "b\n"),
    blocks.json({"a": [1, None]}),
    blocks.code("select 1", "sql"),
    blocks.link("Checks", "https://example.com/checks"),
    blocks.metric("Total", 12, "€"),
]


@pytest.mark.parametrize("made", ALL, ids=[block["type"] for block in ALL])
def test_every_block_is_valid_and_renders(made: dict[str, Any]) -> None:
    assert blocks_check([made]) == [made]
    assert card_block(made).strip()


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "unknown"},
        {"type": ["facts"]},
        {},
        "text",
        None,
        {"type": "facts", "items": "x"},
        {"type": "facts", "items": [{"label": "a", "value": 1}]},
        {"type": "table", "columns": [], "rows": [[1]]},
        {"type": "markdown"},
        {"type": "link", "label": "x", "url": "javascript:alert(1)"},
    ],
)
def test_what_is_no_block_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidCard):
        blocks_check([wrong])


def test_a_card_has_a_limit() -> None:
    with pytest.raises(InvalidCard, match="larger than"):
        blocks_check([blocks.code("x" * 600_000)])


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://example.com/a?b=c", True),
        ("http://localhost:8000/", True),
        ("mailto:ana@example.com", True),
        ("/runs/exp-1/", True),
        ("//example.com", False),
        ("javascript:alert(1)", False),
        ("JAVASCRIPT:alert(1)", False),
        ("java\nscript:alert(1)", False),
        ("data:text/html,x", False),
        ("https:", False),
        ("http://[", False),
        ("/\\example.com", False),
        (None, False),
    ],
)
def test_a_link_leads_only_where_a_person_may_be_sent(url: object, safe: bool) -> None:
    assert is_safe_url(url) is safe


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "<img src=x onerror=alert(1)>",
        "![x](http://evil/x.png)",
    ],
)
def test_markdown_never_runs_what_somebody_wrote(text: str) -> None:
    html = markdown(text)
    for forbidden in ("<script", "<img", 'href="javascript'):
        assert forbidden not in html


def test_text_in_blocks_is_text() -> None:
    evil = "<b onclick=x>&"
    for made in (
        blocks.facts({evil: evil}),
        blocks.code(evil),
        blocks.metric(evil, evil),
        blocks.table([[evil]], [evil]),
    ):
        assert "<b onclick" not in card_block(made)


def test_a_diff_shows_changes_with_what_is_around_them() -> None:
    old = "\n".join(str(n) for n in range(30))
    lines = diff_lines(blocks.diff(old, old.replace("15", "fifteen")))
    assert [(line.kind, line.text) for line in lines if line.kind in ("old", "new")] == [
        ("old", "15"),
        ("new", "fifteen"),
    ]
    assert (len(lines), lines[0].kind) == (9, "skip")
    assert diff_lines(blocks.diff("same", "same")) == []


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30min", 1800), ("5m", 300), ("24h", 86400), ("7d", 604800), ("1.5h", 5400)]
)
def test_durations(text: str, seconds: int) -> None:
    assert duration_of(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "h", "24", "24 hours", "-1h", "1y", "٣h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidCard):
        duration_of(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": ""},
        {"title": "two\nlines"},
        {"title": "x" * 501},
        {"title": "Pay?", "risk": "extreme"},
        {"title": "Pay?", "timeout": after("1h", then="escalate")},
        {"title": "Pay?", "outcomes": []},
    ],
)
def test_a_card_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidCard):
        card(wrong.pop("title"), to="user:bob", **wrong)


def test_a_deadline_is_in_the_future() -> None:
    with pytest.raises(InvalidCard):
        after("0s", then="reject")


def test_a_diff_too_large_to_compare_shows_both_texts() -> None:
    old, new = "x\n" * 3000, "y\nx\n" * 3000
    lines = diff_lines(blocks.diff(old, new))
    assert [line.kind for line in lines].count("old") == 3000
    assert [line.kind for line in lines].count("new") == 6000
