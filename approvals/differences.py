"""What changed between two versions, as a page shows it: where, and from what to what; long texts line by line."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from approvals.changes import Change
from approvals.fields.kinds import label_of, value_text

SHORT = 80  # characters
_PLACES = {
    "title": gettext_noop("Question"),
    "blocks": gettext_noop("Card"),
    "proposal": gettext_noop("Proposal"),
    "form": gettext_noop("Form"),
    "outcomes": gettext_noop("Answers"),
    "policy": gettext_noop("Who decides"),
    "risk": gettext_noop("Risk"),
    "timeout_outcome": gettext_noop("What happens at the deadline"),
}


@dataclass(frozen=True)
class Difference:
    """One change. `block` is a diff block when the texts are long, else `old` and `new` are shown; '' for nothing."""

    place: str
    old: str
    new: str
    block: dict[str, Any] | None = None


def differences_of(changes: Iterable[Change]) -> list[Difference]:
    """The changes, for people."""
    return [_difference(change) for change in changes]


def _difference(change: Change) -> Difference:
    old = "" if change.verb == "add" else _text(change.old)
    new = "" if change.verb == "remove" else _text(change.new)
    if len(old) > SHORT or len(new) > SHORT or "\n" in old + new:
        block = {"type": "diff", "old": old, "new": new, "language": "", "title": ""}
        return Difference(_place(change.path), "", "", block)
    return Difference(_place(change.path), old, new)


def _place(path: str) -> str:
    """`/proposal/value/body` as "Proposal: Body"."""
    first, *rest = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    inner = [part for part in rest if part not in ("value", "items")]
    words = [str(int(part) + 1) if part.isdigit() else label_of({}, part) for part in inner]
    place = _(_PLACES.get(first, first))
    return f"{place}: {', '.join(words)}" if words else place


def _text(value: Any) -> str:
    short = value_text(value)
    return short if isinstance(value, str) or len(short) <= SHORT else json.dumps(value, indent=2, ensure_ascii=False)
