"""Questions that are no yes or no: `ask` for input, `choose` one of several, `approve_each` of many. All are one
request of `approval`, with other outcomes and forms."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any, TypeVar, overload

from approvals.answers import BallotRecord, Decision, ItemDecision
from approvals.durations import After
from approvals.errors import InvalidCard, NotAnswered
from approvals.outcomes import Outcome, gettext_noop, outcomes_of
from approvals.steps import approval
from workflows.context import Context
from workflows.errors import portable

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

portable(NotAnswered)

OPTIONS_LIMIT = 200
ITEMS_LIMIT = 100
ANSWER = Outcome("answer", gettext_noop("Send the answer"), tone="positive")
_LAPSED = Outcome("lapsed", gettext_noop("It goes on without an answer"), offered=False)
_RANK = {"approve": 0, "custom": 1, "changes": 2, "reject": 2}


async def ask(
    ctx: Context,
    form: type[T],
    question: str,
    *,
    to: Any,
    timeout: After | None = None,  # noqa: ASYNC109 (of the request)
    **asked: Any,
) -> T:
    """Input without a verdict: an instance of `form`, a pydantic model or any type that pydantic knows. The other
    arguments are those of `approval.open`; `timeout=after("2d", then=VALUE)` names the answer at the deadline, as
    a value.

    Errors: InvalidCard, InvalidPolicy; NotAnswered when the request is withdrawn or closed.
    """
    lapse = replace(timeout, then=_LAPSED) if timeout else None
    decision = await approval(ctx, question, to=to, outcomes=[ANSWER], form=form, timeout=lapse, **asked)
    answer: T = _answer(decision, timeout, lambda: decision.input)
    return answer


@overload
async def choose(ctx: Context, question: str, options: type[E], *, to: Any, **asked: Any) -> E: ...
@overload
async def choose(ctx: Context, question: str, options: Mapping[str, T], *, to: Any, **asked: Any) -> T: ...
@overload
async def choose(ctx: Context, question: str, options: Sequence[T], *, to: Any, **asked: Any) -> T: ...


async def choose(
    ctx: Context,
    question: str,
    options: Any,
    *,
    to: Any,
    label: Callable[[Any], str] | None = None,
    timeout: After | None = None,  # noqa: ASYNC109
    **asked: Any,
) -> Any:
    """One of several: of a list, an Enum class, or a mapping of labels to values; the value itself comes back. Votes
    are counted for each option, so `n_of(2, ...)` takes two people who choose the same. `label` says what a value is
    called. `timeout=after("2d", then=VALUE)` names the choice at the deadline, as a value.

    Errors: InvalidCard, InvalidPolicy; NotAnswered when the request is withdrawn or closed.
    """
    named = _named(options, label or _label)
    outcomes = [Outcome(name, text) for name, (text, _value) in named.items()]
    lapse = replace(timeout, then=_choice(named, timeout.then)) if timeout else None
    decision = await approval(ctx, question, to=to, outcomes=outcomes, timeout=lapse, **asked)
    return _answer(decision, timeout, lambda: named[decision.outcome][1])


async def approve_each(
    ctx: Context,
    items: Sequence[T],
    question: str = gettext_noop("Approve each of these?"),
    *,
    to: Any,
    label: Callable[[T], str] | None = None,
    outcomes: Iterable[Outcome | str] | None = None,
    timeout: After | None = None,  # noqa: ASYNC109
    **asked: Any,
) -> list[ItemDecision[T]]:
    """Many in one request: an answer for each item, in their order. `outcomes` are those of an item (approve and reject
    unless given), `label` says what an item is called, `editable` names fields of an item that people may correct. If
    the policy takes several people, an item is approved when all of them approve it.
    `timeout=after("24h", then="reject")` names the outcome of every item at the deadline.

    Errors: InvalidCard, InvalidPolicy.
    """
    if not items:
        return []
    if len(items) > ITEMS_LIMIT:
        raise InvalidCard(f"One request holds at most {ITEMS_LIMIT} items; ask in portions.")
    each = outcomes_of(outcomes)
    form = _form_of_items([(label or _label)(item) for item in items], each)
    lapse = replace(timeout, then=_lapse_of_items(each, timeout)) if timeout else None
    decision = await approval(
        ctx, question, to=to, outcomes=[ANSWER], form=form, propose=list(items), timeout=lapse, **asked
    )
    decided = decision.value or items
    at_deadline = timeout.then if timeout and decision.timed_out else ""
    return [_item_decision(decision, index, item, each, at_deadline) for index, item in enumerate(decided)]


# -- pieces ----------------------------------------------------------------------------------------------------------


def _answer(decision: Decision, timeout: After | None, chosen: Callable[[], Any]) -> Any:
    if decision.canceled:
        raise NotAnswered(decision.comment)
    return timeout.then if timeout is not None and decision.timed_out else chosen()


def _label(value: Any) -> str:
    if isinstance(value, Enum):
        return value.name.replace("_", " ").capitalize()
    return str(value)


def _named(options: Any, label: Callable[[Any], str]) -> dict[str, tuple[str, Any]]:
    """Outcome name -> (label, value); a name is the label's, where that makes one."""
    pairs = list(options.items()) if isinstance(options, Mapping) else [(label(value), value) for value in options]
    if not 1 <= len(pairs) <= OPTIONS_LIMIT:
        raise InvalidCard(f"choose() takes 1 to {OPTIONS_LIMIT} options, not {len(pairs)}.")
    found: dict[str, tuple[str, Any]] = {}
    for number, (text, value) in enumerate(pairs, 1):
        slug = re.sub(r"[^a-z0-9]+", "_", str(text).lower()).strip("_")[:40]
        name = slug if re.match("[a-z]", slug) and slug not in found else f"option_{number}"
        found[name] = (str(text), value)
    return found


def _choice(named: Mapping[str, tuple[str, Any]], value: Any) -> str | Outcome:
    """What happens at the deadline: one of the options, or something else that no one can choose."""
    return next((name for name, (_text, option) in named.items() if option == value), _LAPSED)


def _form_of_items(labels: Sequence[str], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """A list with an answer for each item; an outcome that needs a reason makes the comment required."""
    choices = [{"const": outcome.name, "title": outcome.label} for outcome in outcomes]
    answer: dict[str, Any] = {
        "type": "object",
        "properties": {
            "outcome": {"title": gettext_noop("Answer"), "oneOf": choices},
            "comment": {"title": gettext_noop("Comment"), "type": "string", "maxLength": 2000},
        },
        "required": ["outcome"],
        "additionalProperties": False,
    }
    if reasoned := [outcome.name for outcome in outcomes if outcome.needs_comment]:
        answer["if"] = {"required": ["outcome"], "properties": {"outcome": {"enum": reasoned}}}
        answer["then"] = {"required": ["comment"], "properties": {"comment": {"minLength": 1}}}
    count = len(labels)
    items = [{"title": f"{number}. {label}", **answer} for number, label in enumerate(labels, 1)]
    return {"type": "array", "prefixItems": items, "minItems": count, "maxItems": count}


def _lapse_of_items(outcomes: Sequence[Outcome], timeout: After) -> Outcome:
    found = next((outcome for outcome in outcomes if outcome.name == timeout.then), None)
    if found is None:
        raise InvalidCard(f"after(..., then={timeout.then!r:.60}): the items do not offer this outcome.")
    return Outcome("lapsed", found.label, offered=False)


def _item_decision(
    decision: Decision, index: int, item: T, outcomes: Sequence[Outcome], at_deadline: str
) -> ItemDecision[T]:
    kinds = {outcome.name: outcome.kind for outcome in outcomes}
    if decision.canceled:
        return ItemDecision(item, "", "", comment=decision.comment, canceled=True)
    if at_deadline:
        return ItemDecision(item, at_deadline, kinds[at_deadline], timed_out=True)
    ballot = max(decision.ballots, key=lambda given: _RANK[kinds[_given(given, index)["outcome"]]])
    given = _given(ballot, index)
    return ItemDecision(item, given["outcome"], kinds[given["outcome"]], ballot.by, given.get("comment", ""))


def _given(ballot: BallotRecord, index: int) -> dict[str, Any]:
    found: dict[str, Any] = ballot.input[index]
    return found
