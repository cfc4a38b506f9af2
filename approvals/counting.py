"""Ballots, and how many of them a requirement counts. Pure functions, on which verdicts and rules rest.

Ballots carry the principals that their voter matched when he cast it, so a later change of membership does not undo
an answer; who may still vote is looked up when somebody does.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from approvals.policies import Policy
from approvals.requirements import AllOf, AnyOf, Count, Requirement

# Who matches each principal now: {"group:finance": {"bob", "carol"}}.
Members = Mapping[str, Collection[str]]
# Who voted for one outcome, and as which principals: {"bob": ("group:finance",)}.
Voters = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Cast:
    """A ballot: who said what, in which stage, which of the policy's principals he matched then, and for whom he stood
    in, if for anybody."""

    actor: str
    outcome: str
    matched: tuple[str, ...] = ()
    stage: int = 0
    on_behalf_of: str = ""

    @property
    def people(self) -> set[str]:
        """Those whose vote this is: the actor, and for whom he stood in."""
        return {self.actor, self.on_behalf_of} - {""}


def able_to_vote(policy: Policy, members: Members, requester: str) -> dict[str, set[str]]:
    """The members without those whom `never` keeps out of every stage."""
    barred = {name for principal in policy.barred for name in members.get(principal, ())}
    if policy.excludes_requester and requester:
        barred.add(requester)
    return {principal: set(names) - barred for principal, names in members.items()}


def voted_before(policy: Policy, ballots: Iterable[Cast], stage: int) -> set[str]:
    """Those whom `same_person_twice` keeps out of this stage."""
    if not policy.excludes_same_person:
        return set()
    return {name for ballot in ballots if ballot.stage < stage for name in ballot.people}


def is_met(requirement: Requirement, voters: Voters, able: Members | None) -> bool:
    """Whether the requirement is satisfied when these have voted for the same outcome."""
    match requirement:
        case Count():
            return have(requirement, voters) >= need(requirement, able)
        case AllOf(parts):
            return all(is_met(part, voters, able) for part in parts)
        case AnyOf(parts):
            return any(is_met(part, voters, able) for part in parts)


def need(count: Count, able: Members | None) -> int:
    """How many people the count asks for; a percentage is of those who are able to vote."""
    if count.percent is None:
        return count.need
    if able is None:
        raise ValueError("A percentage can only be counted when the members are known.")
    people = {name for principal in count.principals for name in able.get(principal, ())}
    return max(1, math.ceil(len(people) * count.percent / 100))


def have(count: Count, voters: Voters) -> int:
    """How many of these voters count."""
    return sum(count.is_matched_by(matched) for matched in voters.values())


def voters_for(outcome: str, cast: Iterable[Cast]) -> dict[str, tuple[str, ...]]:
    """Who voted for this outcome, and as what."""
    return {ballot.actor: ballot.matched for ballot in cast if ballot.outcome == outcome}
