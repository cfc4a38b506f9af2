"""How deciding goes: how long it takes people, how often they say no, and whether cards are read before they are
answered. `cases_of` reads, everything else is arithmetic over plain values. Times are ms."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from django.db.models import Min

from approvals.models import ApprovalRequest, AuditEvent, Ballot, Decision
from approvals.queries import READING

# The newest so many requests of the time that is looked at are measured; a page says when there are more.
LIMIT = 10_000
DAY_MS = 86_400_000
# A card that was open for so long before it was answered counts as considered.
CONSIDERED_MS = 5_000


@dataclass(frozen=True)
class Vote:
    """One person's ballot; `viewed_at` is when he had first opened the card, None when he never did."""

    actor: str
    matched: tuple[str, ...]
    kind: str
    cast_at: int
    viewed_at: int | None

    @property
    def is_considered(self) -> bool:
        return self.viewed_at is not None and self.cast_at - self.viewed_at >= CONSIDERED_MS


@dataclass(frozen=True)
class Case:
    """One request and what became of it. `kind` is that of the outcome ("approve", "reject", ...), "" without one."""

    policy: str
    opened_at: int
    viewed_at: int | None
    closed_at: int | None
    state: str
    kind: str
    is_edited: bool
    is_stalled: bool
    votes: tuple[Vote, ...] = ()


@dataclass
class Line:
    """A row of a table: the figures of one policy or group. Shares are fractions of the decided ones; None: nothing to
    tell."""

    name: str
    asked: int = 0
    pending: int = 0
    stalled: int = 0
    timed_out: int = 0
    rejected: float | None = None
    edited: float | None = None
    considered: float | None = None
    to_view: int | None = None
    to_decide: int | None = None
    to_decide_slow: int | None = None


@dataclass
class Person:
    """A row of the table of people: their ballots. `to_answer` counts from when it was asked."""

    name: str
    answers: int
    rejected: float
    considered: float
    to_answer: int


@dataclass
class Day:
    """What was asked and what was decided in the 24 hours that begin at `starts_at`."""

    starts_at: int
    asked: int = 0
    decided: int = 0


@dataclass
class Measures:
    whole: Line
    policies: list[Line] = field(default_factory=list)
    groups: list[Line] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    days: list[Day] = field(default_factory=list)
    is_cut: bool = False


def measures_of(cases: Sequence[Case], *, since: int, now: int, is_cut: bool = False) -> Measures:
    """Everything that the page shows, from the requests asked since then."""
    return Measures(
        _line("", cases),
        _lines((case.policy, case) for case in cases),
        _lines((group, case) for case in cases for group in _groups(case)),
        _people(cases),
        _days(cases, since, now),
        is_cut,
    )


def cases_of(since: int) -> tuple[list[Case], bool]:
    """The newest requests asked since then, and whether there were more than are measured: four queries."""
    found = list(
        ApprovalRequest.objects.filter(opened_at__gte=since)
        .order_by("-opened_at", "-id")
        .values_list(
            "pk", "policy_name", "workflow", "opened_at", "decided_at", "state", "outcome", "outcomes", "is_stalled"
        )[: LIMIT + 1]
    )
    rows = found[:LIMIT]
    ids = [row[0] for row in rows]
    decisions = {row[0]: row[1:] for row in _decisions(ids)}
    views = _views(ids)
    votes = defaultdict(list)
    ballots = Ballot.objects.filter(request__in=ids).values_list("request", "actor", "matched", "outcome", "cast_at")
    kinds = {row[0]: {outcome["name"]: outcome.get("kind", "") for outcome in row[7]} for row in rows}
    for id, actor, matched, outcome, cast_at in ballots:
        viewed_at = views.get(str(id), {}).get(actor)
        votes[id].append(Vote(actor, tuple(matched), kinds[id].get(outcome, ""), cast_at, viewed_at))
    cases = []
    for id, policy, workflow, opened_at, closed_at, state, _outcome, _outcomes, is_stalled in rows:
        kind, is_edited = decisions.get(id, ("", False))
        viewed_at = min(views.get(str(id), {}).values(), default=None)
        cases.append(
            Case(
                policy or workflow,
                opened_at,
                viewed_at,
                closed_at,
                state,
                kind,
                is_edited,
                is_stalled,
                tuple(votes[id]),
            )
        )
    return cases, len(found) > LIMIT


def _decisions(ids: Sequence[Any]) -> Iterable[tuple[Any, str, bool]]:
    rows = Decision.objects.filter(pk__in=ids).values_list("pk", "kind", "value", "request__proposal")
    return ((id, kind, value is not None and value != proposal) for id, kind, value, proposal in rows)


def _views(ids: Sequence[Any]) -> dict[str, dict[str, int]]:
    """Request -> person -> when he first opened its card."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    events = AuditEvent.objects.filter(stream__in=[str(id) for id in ids], kind__in=READING).exclude(actor="")
    for stream, actor, at in events.values_list("stream", "actor").annotate(Min("happened_at")):
        found[stream][actor] = at
    return found


def _groups(case: Case) -> set[str]:
    """The groups in whose name somebody answered."""
    return {name.partition(":")[2] for vote in case.votes for name in vote.matched if name.startswith("group:")}


def _lines(named: Iterable[tuple[str, Case]]) -> list[Line]:
    by_name: dict[str, list[Case]] = defaultdict(list)
    for name, case in named:
        by_name[name].append(case)
    lines = [_line(name, cases) for name, cases in by_name.items()]
    return sorted(lines, key=lambda line: (-line.asked, line.name))


def _line(name: str, cases: Sequence[Case]) -> Line:
    states = Counter(case.state for case in cases)
    decided = [case for case in cases if case.state == "decided"]
    waits = [case.closed_at - case.opened_at for case in decided if case.closed_at is not None]
    return Line(
        name,
        asked=len(cases),
        pending=states["pending"],
        stalled=sum(case.is_stalled and case.state == "pending" for case in cases),
        timed_out=states["timed_out"],
        rejected=_share(decided, lambda case: case.kind == "reject"),
        edited=_share(decided, lambda case: case.is_edited),
        considered=_share([vote for case in cases for vote in case.votes], lambda vote: vote.is_considered),
        to_view=_median([case.viewed_at - case.opened_at for case in cases if case.viewed_at is not None]),
        to_decide=_median(waits),
        to_decide_slow=_slow(waits),
    )


def _people(cases: Sequence[Case]) -> list[Person]:
    answers: Mapping[str, list[tuple[Case, Vote]]] = defaultdict(list)
    for case in cases:
        for vote in case.votes:
            answers[vote.actor].append((case, vote))
    people = [
        Person(
            name,
            len(given),
            _share(given, lambda pair: pair[1].kind == "reject") or 0.0,
            _share(given, lambda pair: pair[1].is_considered) or 0.0,
            _median([vote.cast_at - case.opened_at for case, vote in given]) or 0,
        )
        for name, given in answers.items()
    ]
    return sorted(people, key=lambda person: (-person.answers, person.name))


def _days(cases: Sequence[Case], since: int, now: int) -> list[Day]:
    days = [Day(since + number * DAY_MS) for number in range(math.ceil((now - since) / DAY_MS))]
    for case in cases:
        days[min((case.opened_at - since) // DAY_MS, len(days) - 1)].asked += 1
        if case.state == "decided" and case.closed_at is not None and case.closed_at >= since:
            days[min((case.closed_at - since) // DAY_MS, len(days) - 1)].decided += 1
    return days


def _share(things: Sequence[Any], is_so: Callable[[Any], bool]) -> float | None:
    return sum(map(is_so, things)) / len(things) if things else None


def _median(values: Sequence[int]) -> int | None:
    return round(median(values)) if values else None


def _slow(values: Sequence[int]) -> int | None:
    """Nine of ten are at most this."""
    return sorted(values)[math.ceil(len(values) * 0.9) - 1] if values else None
