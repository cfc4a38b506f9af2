"""What the ballots say under a policy, and who may cast one. Pure functions; the same ones enforce and explain.

Ballots carry the principals that their voter matched when he cast it, so a later change of membership does not undo
an answer; who may still vote is looked up when somebody does.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from approvals.errors import AlreadyVoted, CommentRequired, NotEligible, UnknownOutcome
from approvals.outcomes import Outcome, gettext_noop
from approvals.policies import AllOf, AnyOf, Count, Policy, Requirement, counts_in

# Who matches each principal now: {"group:finance": {"bob", "carol"}}.
Members = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class Cast:
    """A ballot: who said what, in which stage, and which of the policy's principals he matched then."""

    actor: str
    outcome: str
    matched: tuple[str, ...] = ()
    stage: int = 0


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
    """Those who may still vote cannot reach what this stage needs."""

    stage: int
    progress: tuple[Progress, ...]
    reason: str = gettext_noop("Those who may still decide are too few for what the policy asks.")


def evaluate(
    policy: Policy,
    ballots: Sequence[Cast],
    outcomes: Iterable[Outcome],
    members: Members | None = None,
    *,
    requester: str = "",
) -> Open | Decided | Stalled:
    """What the ballots say, in the order they were cast.

    A negative outcome decides with one ballot. Any other needs the requirement of every stage, counted for itself.
    `members` is needed for percentages, and to notice that a stage is stalled.
    """
    known = {outcome.name: outcome for outcome in outcomes}
    for ballot in ballots:
        if known[ballot.outcome].is_negative:
            return Decided(ballot.outcome)
    for stage, requirement in enumerate(policy.stages):
        cast = [ballot for ballot in ballots if ballot.stage == stage]
        winner = next((name for name in _names(cast) if _is_met(requirement, _voters(cast, name), members)), None)
        if winner is None:
            return _open(policy, stage, ballots, known, members=members, requester=requester)
        if stage == len(policy.stages) - 1:
            return Decided(winner)
    raise AssertionError("a policy has at least one stage")


def current_stage(policy: Policy, ballots: Sequence[Cast], members: Members | None = None) -> int:
    """The first stage whose requirement is not met yet; the last one when all are."""
    for stage, requirement in enumerate(policy.stages):
        cast = [ballot for ballot in ballots if ballot.stage == stage]
        if not any(_is_met(requirement, _voters(cast, name), members) for name in _names(cast)):
            return stage
    return len(policy.stages) - 1


def progress_of(
    policy: Policy, ballots: Sequence[Cast], stage: int, members: Members | None = None
) -> tuple[Progress, ...]:
    """How far one stage is, by the outcome that is furthest."""
    cast = [ballot for ballot in ballots if ballot.stage == stage]
    counts = list(counts_in(policy.stages[stage]))
    furthest: dict[str, tuple[str, ...]] = {}
    for name in _names(cast) or [""]:
        voters = _voters(cast, name)
        if sum(len(_of(count, voters)) for count in counts) >= sum(len(_of(count, furthest)) for count in counts):
            furthest = voters
    return tuple(
        Progress(count.principals, min(len(_of(count, furthest)), _need(count, members)), _need(count, members))
        for count in counts
    )


def _open(
    policy: Policy,
    stage: int,
    ballots: Sequence[Cast],
    known: Mapping[str, Outcome],
    *,
    members: Members | None,
    requester: str,
) -> Open | Stalled:
    progress = progress_of(policy, ballots, stage, members)
    if members is None or _is_reachable(policy, stage, ballots, known, members=members, requester=requester):
        return Open(stage, progress)
    return Stalled(stage, progress)


def _is_reachable(
    policy: Policy,
    stage: int,
    ballots: Sequence[Cast],
    known: Mapping[str, Outcome],
    *,
    members: Members,
    requester: str,
) -> bool:
    """Whether some outcome could still meet this stage if everybody who may vote voted for it."""
    barred = excluded_people(policy, members, requester) | voted_before(policy, ballots, stage)
    cast = [ballot for ballot in ballots if ballot.stage == stage]
    barred |= {ballot.actor for ballot in cast}
    hopeful: dict[str, tuple[str, ...]] = {}
    for principal in policy.principals(stage):
        for name in members.get(principal, ()):
            if name not in barred:
                hopeful[name] = (*hopeful.get(name, ()), principal)
    requirement = policy.stages[stage]
    return any(
        _is_met(requirement, {**hopeful, **_voters(cast, name)}, members)
        for name, outcome in known.items()
        if not outcome.is_negative
    )


def excluded_people(policy: Policy, members: Members, requester: str) -> set[str]:
    """Whom `never` keeps out, as far as `members` knows."""
    barred = {name for principal in policy.never for name in members.get(principal, ())}
    return barred | ({requester} if policy.excludes_requester and requester else set())


def voted_before(policy: Policy, ballots: Iterable[Cast], stage: int) -> set[str]:
    """Those whom `same_person_twice` keeps out of this stage."""
    return {b.actor for b in ballots if b.stage < stage} if policy.excludes_same_person else set()


def _is_met(requirement: Requirement, voters: Mapping[str, tuple[str, ...]], members: Members | None) -> bool:
    match requirement:
        case Count():
            return len(_of(requirement, voters)) >= _need(requirement, members)
        case AllOf(parts):
            return all(_is_met(part, voters, members) for part in parts)
        case AnyOf(parts):
            return any(_is_met(part, voters, members) for part in parts)


def _need(count: Count, members: Members | None) -> int:
    if count.percent is None:
        return count.need
    if members is None:
        raise ValueError("A percentage can only be counted when the members are known.")
    people = {name for principal in count.principals for name in members.get(principal, ())}
    return max(1, math.ceil(len(people) * count.percent / 100))


def _of(count: Count, voters: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [name for name, matched in voters.items() if set(matched) & set(count.principals)]


def _voters(cast: Iterable[Cast], outcome: str) -> dict[str, tuple[str, ...]]:
    return {ballot.actor: ballot.matched for ballot in cast if ballot.outcome == outcome}


def _names(cast: Iterable[Cast]) -> list[str]:
    return list(dict.fromkeys(ballot.outcome for ballot in cast))


# -- who may ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule and whether it lets this person decide. `message` and `params` make the reason; whoever shows it
    translates the message first."""

    name: str
    passed: bool
    message: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def why(self) -> str:
        return self.message % self.params


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Whether somebody may decide, with every rule that was looked at. `matched` are the principals he decides as;
    `may_only_reject` when all he has is a veto."""

    allowed: bool
    rules: tuple[Rule, ...]
    matched: tuple[str, ...] = ()
    may_only_reject: bool = False

    @property
    def obstacle(self) -> Rule | None:
        """The first rule that stands in the way."""
        return next((rule for rule in self.rules if not rule.passed), None)


@dataclass(frozen=True, slots=True)
class Voter:
    """Who wants to decide: his name, all principals of the policy that he matches now, and whether he is a person."""

    name: str
    matched: frozenset[str]
    is_person: bool = True


def eligibility(policy: Policy, voter: Voter, ballots: Sequence[Cast], *, requester: str, stage: int) -> Eligibility:
    """Each rule of the policy for this voter. The request's own state (is it still open?) is not a rule of the
    policy."""
    has_veto = bool(voter.matched & set(policy.veto))
    here = tuple(p for p in policy.principals(stage) if p in voter.matched)
    found: list[Rule | None] = [
        _person_rule(voter),
        _audience_rule(policy, voter, has_veto),
        *_never_rules(policy, voter, requester, ballots, stage),
        _stage_rule(policy, voter, stage, here, has_veto),
        _once_rule(voter, ballots, stage),
    ]
    rules = [rule for rule in found if rule is not None]
    matched = here or tuple(p for p in policy.veto if p in voter.matched)
    allowed = all(rule.passed for rule in rules)
    return Eligibility(allowed, tuple(rules), matched, may_only_reject=has_veto and not here)


def ballot_check(found: Eligibility, outcomes: Iterable[Outcome], outcome: str, comment: str) -> Outcome:
    """The outcome that this voter may vote for. Errors, in this order: NotEligible, AlreadyVoted, UnknownOutcome,
    CommentRequired."""
    obstacle = found.obstacle
    if obstacle is not None:
        raise (AlreadyVoted if obstacle.name == "once" else NotEligible)(obstacle.why, found)
    chosen = next((item for item in outcomes if item.name == outcome), None)
    if chosen is None:
        raise UnknownOutcome
    if found.may_only_reject and not chosen.is_negative:
        raise NotEligible("", Eligibility(False, (*found.rules, Rule("veto", False, VETO_ONLY)), found.matched, True))
    if chosen.needs_comment and not comment.strip():
        raise CommentRequired
    return chosen


OPEN = gettext_noop("The request is open.")
CLOSED = gettext_noop("The request is closed; nothing can be decided any more.")
VETO_ONLY = gettext_noop("You have a veto here: you may say no, and leave the rest to others.")


def _person_rule(voter: Voter) -> Rule:
    if voter.is_person:
        return Rule("person", True, gettext_noop("A person decides."))
    return Rule("person", False, gettext_noop("Only people decide; this account acts for a machine."))


def _audience_rule(policy: Policy, voter: Voter, has_veto: bool) -> Rule:
    mine = [p for p in policy.principals() if p in voter.matched]
    if mine:
        return Rule("audience", True, _AS[mine[0].partition(":")[0]], {"name": mine[0].partition(":")[2]})
    if has_veto:
        return Rule("audience", True, gettext_noop("You have a veto here."))
    asked = ", ".join(p.partition(":")[2] for p in policy.principals())
    return Rule(
        "audience",
        False,
        gettext_noop("You are not among those who are asked (%(asked)s)."),
        {"asked": asked},
    )


_AS = {
    "user": gettext_noop("You are asked by name."),
    "group": gettext_noop("You are a member of %(name)s."),
    "permission": gettext_noop("You hold the permission %(name)s."),
}


def _never_rules(policy: Policy, voter: Voter, requester: str, ballots: Sequence[Cast], stage: int) -> list[Rule]:
    rules = []
    if policy.excludes_requester:
        is_requester = bool(requester) and voter.name == requester
        message = (
            gettext_noop("You asked for this yourself; somebody else decides.")
            if is_requester
            else gettext_noop("You did not ask for this yourself.")
        )
        rules.append(Rule("requester", not is_requester, message))
    if policy.excludes_same_person:
        is_second = voter.name in voted_before(policy, ballots, stage)
        message = (
            gettext_noop("You decided in an earlier stage; this one takes somebody else.")
            if is_second
            else gettext_noop("You have not decided in an earlier stage.")
        )
        rules.append(Rule("same_person", not is_second, message))
    barred = [p for p in policy.never if ":" in p]
    if barred:
        mine = [p for p in barred if p in voter.matched]
        message = (
            gettext_noop("The policy excludes %(name)s.") if mine else gettext_noop("The policy does not exclude you.")
        )
        rules.append(Rule("excluded", not mine, message, {"name": ", ".join(p.partition(":")[2] for p in mine)}))
    return rules


def _stage_rule(policy: Policy, voter: Voter, stage: int, here: tuple[str, ...], has_veto: bool) -> Rule | None:
    if len(policy.stages) == 1 or not voter.matched:
        return None
    passed = bool(here) or has_veto
    message = (
        gettext_noop("Your stage (%(stage)d of %(stages)d) is open.")
        if passed
        else gettext_noop("Stage %(stage)d of %(stages)d is open, and it asks others.")
    )
    return Rule("stage", passed, message, {"stage": stage + 1, "stages": len(policy.stages)})


def _once_rule(voter: Voter, ballots: Sequence[Cast], stage: int) -> Rule:
    mine = [ballot for ballot in ballots if ballot.actor == voter.name and ballot.stage == stage]
    if mine:
        return Rule(
            "once",
            False,
            gettext_noop("You have answered already (%(outcome)s)."),
            {"outcome": mine[0].outcome},
        )
    return Rule("once", True, gettext_noop("You have not answered yet."))
