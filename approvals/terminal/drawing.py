"""A card, for the terminal: its blocks as text."""

import json
from collections.abc import Callable, Iterator, Mapping
from difflib import unified_diff
from typing import Any

from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from approvals.testing import HeldRequest
from workflows.terminal.screen import Screen, clean

Block = Mapping[str, Any]


def drawn(request: HeldRequest, screen: Screen) -> Panel:
    """The request as it is now: question, who is asked by whom and until when, blocks, proposal."""
    parts: list[RenderableType] = [Text(clean(request.title), "bold"), *_circumstances(request, screen)]
    parts += [Padding(block(item), (1, 0, 0, 0)) for item in request.card.blocks]
    if request.card.proposal is not None:
        parts.append(Padding(_titled("Proposal", _value(request.card.proposal.value)), (1, 0, 0, 0)))
    return Panel(Group(*parts), title="Approval", title_align="left", border_style="cyan")


def block(item: Block) -> RenderableType:
    """One block of the card."""
    return _DRAWN[item["type"]](item)


def _circumstances(request: HeldRequest, screen: Screen) -> Iterator[Text]:
    card = request.card
    said = [f"for {', '.join(card.policy.principals(request.stage))}"]
    if request.requester:
        said.append(f"asked by {request.requester}")
    if card.risk != "medium":
        said.append(f"{card.risk} risk")
    yield Text(clean(" · ".join(said)), "dim")
    deadline = card.deadline_from(request.opened_at)
    if deadline is not None:
        lapse = card.outcome(card.timeout_outcome)
        yield Text(clean(f"until {screen.moment(deadline)}, then: {lapse.label if lapse else ''}"), "dim")
    if card.note:
        yield Text(clean(card.note), "italic")


def _facts(item: Block) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for fact in item["items"]:
        table.add_row(Text(clean(fact["label"]), "dim"), Text(clean(fact["value"])))
    return table


def _metric(item: Block) -> RenderableType:
    text = Text(clean(f"{item['label']}: "))
    text.append(clean(f"{item['value']} {item.get('unit', '')}".strip()), "bold")
    if note := item.get("note"):
        text.append(clean(f"  {note}"), "dim")
    return text


def _table(item: Block) -> RenderableType:
    table = Table(title=_title(item), title_justify="left", box=None, pad_edge=False)
    for column in item["columns"]:
        table.add_column(Text(clean(column["label"])), justify="right" if column.get("numeric") else "left")
    for row in item["rows"]:
        table.add_row(*(Text(clean(cell)) for cell in row))
    return table


def _diff(item: Block) -> RenderableType:
    lines = list(unified_diff(clean(item["old"]).splitlines(), clean(item["new"]).splitlines(), lineterm="", n=2))[2:]
    styles = {"+": "green", "-": "red", "@": "dim"}
    return _titled(_title(item), Text("\n").join(Text(line, styles.get(line[:1], "")) for line in lines))


def _value(value: Any) -> RenderableType:
    """What is proposed: an object by its fields."""
    if not isinstance(value, dict):
        return _json(value)
    texts = {
        name: item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for name, item in value.items()
    }
    return _facts({"items": [{"label": name, "value": text.rstrip()} for name, text in texts.items()]})


def _json(value: Any) -> RenderableType:
    return Text(clean(json.dumps(value, indent=2, ensure_ascii=False)))


def _code(item: Block) -> RenderableType:
    language = item.get("language") or "text"
    return _titled(_title(item), Syntax(clean(item["text"]), language, background_color="default", word_wrap=True))


def _title(item: Block) -> str | None:
    return clean(item.get("title") or "") or None


def _titled(title: str | None, body: RenderableType) -> RenderableType:
    return Group(Text(title, "bold"), body) if title else body


_DRAWN: Mapping[str, Callable[[Block], RenderableType]] = {
    "facts": _facts,
    "markdown": lambda item: Markdown(clean(item["text"]), hyperlinks=False),
    "table": _table,
    "diff": _diff,
    "json": lambda item: _titled(_title(item), _json(item["value"])),
    "code": _code,
    "image": lambda item: Text(clean(f"[picture: {item['alt']}]")),
    "link": lambda item: Text(clean(f"{item['label']}: {item['url']}")),
    "metric": _metric,
}
