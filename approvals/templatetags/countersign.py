"""Blocks of a card, and the words of policies, outcomes and events, for templates."""

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import nh3
from django import template
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from markdown_it import MarkdownIt

from approvals import wording
from approvals.models import ApprovalRequest, AuditEvent
from approvals.rules import Rule
from approvals.verdicts import Progress

register = template.Library()

DIFF_CONTEXT = 3
DIFF_PAIRS = 250_000  # 500 lines against 500; above that both texts are shown whole

_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
_TAGS = {
    *("p", "br", "hr", "em", "strong", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}


# -- words -----------------------------------------------------------------------------------------------------------


@register.filter
def why(rule: Rule) -> str:
    return wording.of_rule(rule)


@register.filter
def waits_text(progress: Progress) -> str:
    return wording.of_progress(progress)


@register.filter
def asked(progress: Progress) -> str:
    return wording.names(progress.principals)


@register.filter
def closing(request: Any) -> str:
    return wording.of_closing(request)


@register.filter
def json_text(value: Any) -> str:
    """JSON with an indent."""
    return json.dumps(value, indent=2, ensure_ascii=False)


@register.filter
def marks(progress: Progress) -> list[bool]:
    """One mark for each person needed: given or not."""
    return [number < progress.have for number in range(min(progress.need, 12))]


@register.filter
def outcome_label(request: ApprovalRequest, name: str) -> str:
    """What an outcome of this request is called."""
    found = request.outcome_named(name)
    return _(found.label) if found else name


@register.filter
def outcome_icon(request: ApprovalRequest, name: str) -> str:
    """The icon of an outcome: a tick only for an approval."""
    found = request.outcome_named(name)
    return {"approve": "circle-check", "reject": "circle-x", "changes": "undo-2"}.get(
        found.kind if found else "", "vote"
    )


@register.filter
def event_words(event: AuditEvent, request: ApprovalRequest) -> str:
    """What happened, in one line."""
    return wording.of_event(event, request)


# -- blocks ----------------------------------------------------------------------------------------------------------


@register.simple_tag
def card_block(content: dict[str, Any]) -> str:
    """One block of a card."""
    if content["type"] == "table":
        content = {**content, "lines": _cells(content)}
    return render_to_string(f"approvals/blocks/{content['type']}.html", {"block": content})


def _cells(content: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The rows of a table, each cell with how it is set."""
    numeric = [column.get("numeric", False) for column in content["columns"]]
    return [
        [{"text": text, "numeric": is_number} for text, is_number in zip(row, numeric, strict=False)]
        for row in content["rows"]
    ]


@register.filter
def markdown(text: str) -> str:
    """CommonMark as HTML: raw HTML in it is text, and what remains is reduced to tags that only format."""
    html = nh3.clean(
        _markdown.render(text),
        tags=_TAGS,
        attributes={"a": {"href", "title"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(html)  # noqa: S308 (cleaned the line before)


@dataclass(frozen=True)
class DiffLine:
    """A line of a difference: kind is "same", "old", "new" or "skip" (lines left out); `number` is its line in the new
    text, of an old line in the old one."""

    kind: str
    text: str
    number: int | None = None


@register.filter
def diff_lines(content: dict[str, Any]) -> list[DiffLine]:
    """The lines of a diff block, with those around every change."""
    return list(_diff(content["old"].splitlines(), content["new"].splitlines()))


def _diff(old: list[str], new: list[str]) -> Iterator[DiffLine]:
    if len(old) * len(new) > DIFF_PAIRS:  # comparing is quadratic at worst: a card must not hold a web thread
        yield from (DiffLine("old", line, number) for number, line in enumerate(old, 1))
        yield from (DiffLine("new", line, number) for number, line in enumerate(new, 1))
        return
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for number, group in enumerate(matcher.get_grouped_opcodes(DIFF_CONTEXT)):
        if number or group[0][1]:
            yield DiffLine("skip", "⋯")
        for verb, a1, a2, b1, b2 in group:
            if verb == "equal":
                pairs = zip(range(a1, a2), range(b1, b2), strict=True)
                yield from (DiffLine("same", new[b], b + 1) for _a, b in pairs)
                continue
            yield from (DiffLine("old", old[a], a + 1) for a in range(a1, a2))
            yield from (DiffLine("new", new[b], b + 1) for b in range(b1, b2))
