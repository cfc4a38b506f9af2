"""What the ballots say under a policy: open, decided or stalled. Pure functions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from approvals.counting import Cast, Members, Voters, able_to_vote, have, is_met, need, voters_for
from approvals.outcomes import Outcome, gettext_noop
from approvals.policies import Policy
from approvals.reachability import is_reachable
from approvals.requirements import counts_in


@dataclass(frozen=True, slots=True)
class Progress:
    """One count of the current stage: `have` of `need` people of these principals."""

    principals: tuple[str, ...]
    have: int
    need: int

    @property
    def is_met(self) -> bool:
        return self.have >= self.need


@dataclass(frozen=True, slots=True)
class Open:
    """More ballots are needed, in this stage."""

    stage: int
    progress: tuple[Progress, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """The policy is satisfied."""

    outcome: str


@dataclass(frozen=True, slots=True)
class Stalled:
    """Those who may still vote cannot reach what the policy asks."""

    stage: int
    progress: tuple[Progress, ...]
    reason: str = gettext_noop("Those who may still decide are too few for what the policy asks.")


Verdict = Open | Decided | Stalled


def evaluate(
    policy: Policy,
    ballots: Sequence[Cast],
    outcomes: Iterable[Outcome],
    members: Members | None = None,
    *,
    requester: str = "",
    stage: int = 0,
) -> Verdict:
    """What the ballots say, in the order they were cast; `stage` has begun, so those before it are done.

    A negative outcome decides with one ballot. Any other needs the requirement of every stage, counted for itself.
    `members` is needed for percentages, and to notice that a request is stalled.
    """
    known = {outcome.name: outcome for outcome in outcomes}
    for ballot in ballots:
        if known[ballot.outcome].is_negative:
            return Decided(ballot.outcome)
    able = members if members is None else able_to_vote(policy, members, requester)
    stage, winner = _standing(policy, ballots, able, stage)
    if winner is not None:
        return Decided(winner)
    progress = progress_of(policy, ballots, stage, members, requester=requester)
    if able is None or is_reachable(policy, stage, ballots, known.values(), able):
        return Open(stage, progress)
    return Stalled(stage, progress)


def current_stage(
    policy: Policy, ballots: Sequence[Cast], members: Members | None = None, *, requester: str = ""
) -> int:
    """The first stage whose requirement is not met yet; the last one when all are."""
    return _standing(policy, ballots, members if members is None else able_to_vote(policy, members, requester), 0)[0]


def _standing(policy: Policy, ballots: Sequence[Cast], able: Members | None, begun: int) -> tuple[int, str | None]:
    """The first stage, from the one that has begun on, that is not met, and None; or the last one and the outcome that
    met it."""
    winner = None
    for stage, requirement in enumerate(policy.stages[begun:], begun):
        cast = [ballot for ballot in ballots if ballot.stage == stage]
        winner = next((name for name in _names(cast) if is_met(requirement, voters_for(name, cast), able)), None)
        if winner is None:
            return stage, None
    return len(policy.stages) - 1, winner


def progress_of(
    policy: Policy, ballots: Sequence[Cast], stage: int, members: Members | None = None, *, requester: str = ""
) -> tuple[Progress, ...]:
    """How far one stage is, by the outcome that is furthest."""
    able = members if members is None else able_to_vote(policy, members, requester)
    cast = [ballot for ballot in ballots if ballot.stage == stage]
    counts = list(counts_in(policy.stages[stage]))
    furthest: Voters = {}
    for name in _names(cast) or [""]:
        voters = voters_for(name, cast)
        if sum(have(count, voters) for count in counts) >= sum(have(count, furthest) for count in counts):
            furthest = voters
    needs = [(count, need(count, able)) for count in counts]
    return tuple(Progress(count.asked, min(have(count, furthest), most), most) for count, most in needs)


def _names(cast: Iterable[Cast]) -> list[str]:
    return list(dict.fromkeys(ballot.outcome for ballot in cast))
