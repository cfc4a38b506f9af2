"""The answers that a request offers: what each is called, what kind it is, how it looks, whether it wants a reason, and
the form that comes with it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from approvals.errors import InvalidCard

Kind = Literal["approve", "reject", "changes", "custom"]
Need = Literal["required", "optional"]
Tone = Literal["positive", "negative", "neutral"]
KINDS = ("approve", "reject", "changes", "custom")
TONES = ("positive", "negative", "neutral")
_TONE_OF_KIND: dict[str, Tone] = {"approve": "positive", "reject": "negative"}
# One eligible person is enough for these; the others take what the policy takes.
NEGATIVE = ("reject", "changes")

_name = re.compile(r"[a-z][a-z0-9_]{0,39}")


def gettext_noop(message: str) -> str:
    """Marks a text for translation; whoever shows it translates it."""
    return message


@dataclass(frozen=True, slots=True)
class Outcome:
    """One possible answer. `name` is what the workflow gets, `label` what the button says.

    kind: approve makes the decision true; reject and changes are decided by one person; custom takes the policy's
    number. comment: whether a reason must be given. tone: how the button looks; that of the kind unless given. form: a
    form of its own, in place of the request's. offered: False for an answer that only the deadline gives.
    """

    name: str
    label: str = ""
    kind: Kind = "custom"
    comment: Need = "optional"
    tone: Tone | Literal[""] = ""
    form: Any = None
    offered: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _name.fullmatch(self.name):
            raise InvalidCard(f"An outcome is named by a lower-case word such as 'canary', not {self.name!r:.60}.")
        if self.kind not in KINDS or self.comment not in ("required", "optional"):
            raise InvalidCard(
                f"Outcome {self.name!r}: kind is one of {', '.join(KINDS)}; comment required or optional."
            )
        if self.tone and self.tone not in TONES:
            raise InvalidCard(f"Outcome {self.name!r}: tone is one of {', '.join(TONES)}.")
        if not self.label:
            object.__setattr__(self, "label", self.name.replace("_", " ").capitalize())
        if not self.tone:
            object.__setattr__(self, "tone", _TONE_OF_KIND.get(self.kind, "neutral"))

    @property
    def needs_comment(self) -> bool:
        return self.comment == "required"

    @property
    def is_negative(self) -> bool:
        return self.kind in NEGATIVE


def approve(label: str = gettext_noop("Approve"), *, comment: Need = "optional", form: Any = None) -> Outcome:
    """The answer that makes `bool(decision)` true."""
    return Outcome("approve", label, "approve", comment, form=form)


def reject(label: str = gettext_noop("Reject"), *, comment: Need = "required", form: Any = None) -> Outcome:
    """No. It wants a reason unless `comment="optional"`."""
    return Outcome("reject", label, "reject", comment, form=form)


def request_changes(
    label: str = gettext_noop("Request changes"), *, comment: Need = "required", form: Any = None
) -> Outcome:
    """Not like this: the reason says what should change."""
    return Outcome("request_changes", label, "changes", comment, form=form)


def outcomes_of(outcomes: Iterable[Outcome | str] | None) -> tuple[Outcome, ...]:
    """The outcomes of a request: approve and reject unless others are given; a text is a custom outcome's name.

    Errors: InvalidCard (none, or a name twice).
    """
    if outcomes is None:
        return (approve(), reject())
    known = {"approve": approve, "reject": reject, "request_changes": request_changes}
    found = tuple(
        item if isinstance(item, Outcome) else known[item]() if item in known else Outcome(item) for item in outcomes
    )
    names = [outcome.name for outcome in found]
    if not any(outcome.offered for outcome in found) or len(set(names)) != len(names):
        raise InvalidCard("A request offers at least one outcome, and each name once.")
    return found


def freeze(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """The outcomes as JSON: [{"name", "label", "kind", "comment", "tone"}], with "form" (a JSON Schema) and
    "offered": false where they apply."""
    return [_freeze(outcome) for outcome in outcomes]


def thaw(frozen: Iterable[Mapping[str, Any]]) -> tuple[Outcome, ...]:
    """The outcomes in this JSON."""
    return tuple(Outcome(**item) for item in frozen)


def _freeze(outcome: Outcome) -> dict[str, Any]:
    found = {name: getattr(outcome, name) for name in ("name", "label", "kind", "comment", "tone")}
    if outcome.form is not None:
        found["form"] = outcome.form
    return found if outcome.offered else {**found, "offered": False}
