"""Who may cast a ballot, rule by rule. Pure functions; the same ones enforce and explain."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from approvals.counting import Cast, voted_before
from approvals.errors import AlreadyVoted, CommentRequired, NotEligible, UnknownOutcome
from approvals.outcomes import Outcome, gettext_noop
from approvals.policies import Policy


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
    `may_only_reject` when all he has is a veto; `on_behalf_of` whose place he takes, if he has none of his own."""

    allowed: bool
    rules: tuple[Rule, ...]
    matched: tuple[str, ...] = ()
    may_only_reject: bool = False
    on_behalf_of: str = ""

    @property
    def obstacle(self) -> Rule | None:
        """The first rule that stands in the way."""
        return next((rule for rule in self.rules if not rule.passed), None)

    @property
    def is_outsider(self) -> bool:
        """Whether the request does not concern this person at all: he learns nothing of it."""
        obstacle = self.obstacle
        return obstacle is not None and obstacle.name in ("person", "audience")


@dataclass(frozen=True, slots=True)
class Voter:
    """Who wants to decide: his name, all principals of the policy that he matches now, and whether he is a person."""

    name: str
    matched: frozenset[str]
    is_person: bool = True


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a request is: what was cast, which stage is open, who asked, and who has claimed it ('' nobody)."""

    ballots: Sequence[Cast]
    requester: str
    stage: int
    claimed_by: str = ""


def eligibility(
    policy: Policy, voter: Voter, standing: Standing, delegators: Iterable[Voter] = (), *, on_behalf_of: str = ""
) -> Eligibility:
    """Each rule of the policy for this voter: in his own right, or else in the place of one of those who have delegated
    to him. With `on_behalf_of`, in that person's place and no other. The request's own state (is it still open?) is
    not a rule of the policy."""
    own = _in_own_right(policy, voter, standing)
    if on_behalf_of:
        delegator = next((d for d in delegators if d.name == on_behalf_of), Voter(on_behalf_of, frozenset()))
        return _in_place_of(policy, delegator, voter, standing)
    if own.allowed:
        return own
    places = [_in_place_of(policy, delegator, voter, standing) for delegator in delegators]
    concerned = [found for found in places if not found.is_outsider]
    best = next((found for found in concerned if found.allowed), None)
    return best or (concerned[0] if concerned and own.is_outsider and voter.is_person else own)


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
        raise NotEligible("", replace(found, allowed=False, rules=(*found.rules, Rule("veto", False, VETO_ONLY))))
    if chosen.needs_comment and not comment.strip():
        raise CommentRequired
    return chosen


OPEN = gettext_noop("The request is open.")
CLOSED = gettext_noop("The request is closed; nothing can be decided any more.")
VETO_ONLY = gettext_noop("You have a veto here: you may say no, and leave the rest to others.")


# -- in one's own right, and in another's place ----------------------------------------------------------------------


def _in_own_right(policy: Policy, voter: Voter, standing: Standing) -> Eligibility:
    has_veto = bool(voter.matched & set(policy.veto))
    here = tuple(p for p in policy.principals(standing.stage) if p in voter.matched)
    found: list[Rule | None] = [
        _person_rule(voter),
        _audience_rule(policy, voter, has_veto),
        *_never_rules(policy, voter, standing),
        _stage_rule(policy, voter, standing.stage, here, has_veto),
        _once_rule(voter, standing),
        _claim_rule(voter, standing, has_veto),
    ]
    rules = tuple(rule for rule in found if rule is not None)
    matched = here or tuple(p for p in policy.veto if p in voter.matched)
    return Eligibility(all(rule.passed for rule in rules), rules, matched, may_only_reject=has_veto and not here)


def _in_place_of(policy: Policy, delegator: Voter, voter: Voter, standing: Standing) -> Eligibility:
    """The delegator must be able to decide himself, and the voter must pass every rule that is about a person."""
    place = _in_own_right(policy, delegator, replace(standing, claimed_by=""))
    stands_in = gettext_noop("You do not stand in for %(name)s here.")
    if not place.is_outsider:
        stands_in = gettext_noop("You stand in for %(name)s.")
    found: list[Rule | None] = [
        _person_rule(voter),
        Rule("audience", not place.is_outsider, stands_in, {"name": delegator.name}),
        *_never_rules(policy, voter, standing),
        _once_rule(voter, standing),
        _place_rule(delegator, place),
        _claim_rule(voter, standing, place.may_only_reject),
    ]
    rules = tuple(rule for rule in found if rule is not None)
    allowed = all(rule.passed for rule in rules)
    return Eligibility(allowed, rules, place.matched, place.may_only_reject, on_behalf_of=delegator.name)


# -- the rules -------------------------------------------------------------------------------------------------------


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


def _never_rules(policy: Policy, voter: Voter, standing: Standing) -> list[Rule]:
    rules = []
    if policy.excludes_requester:
        is_requester = bool(standing.requester) and voter.name == standing.requester
        message = (
            gettext_noop("You asked for this yourself; somebody else decides.")
            if is_requester
            else gettext_noop("You did not ask for this yourself.")
        )
        rules.append(Rule("requester", not is_requester, message))
    if policy.excludes_same_person:
        is_second = voter.name in voted_before(policy, standing.ballots, standing.stage)
        message = (
            gettext_noop("You decided in an earlier stage; this one takes somebody else.")
            if is_second
            else gettext_noop("You have not decided in an earlier stage.")
        )
        rules.append(Rule("same_person", not is_second, message))
    if policy.barred:
        mine = [p for p in policy.barred if p in voter.matched]
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


def _once_rule(voter: Voter, standing: Standing) -> Rule:
    mine = [cast for cast in standing.ballots if voter.name in cast.people and cast.stage == standing.stage]
    if not mine:
        return Rule("once", True, gettext_noop("You have not answered yet."))
    message = (
        gettext_noop("You have answered already (%(outcome)s).")
        if mine[0].actor == voter.name
        else gettext_noop("%(actor)s has answered in your place (%(outcome)s).")
    )
    return Rule("once", False, message, {"actor": mine[0].actor, "outcome": mine[0].outcome})


def _claim_rule(voter: Voter, standing: Standing, has_veto: bool) -> Rule | None:
    if not standing.claimed_by:
        return None
    if voter.name == standing.claimed_by:
        return Rule("claim", True, gettext_noop("You have claimed this."))
    message = gettext_noop("%(name)s has claimed this, and answers first.")
    return Rule("claim", has_veto, message, {"name": standing.claimed_by})


def _place_rule(delegator: Voter, place: Eligibility) -> Rule:
    obstacle = place.obstacle
    if obstacle is None:
        message = gettext_noop("%(name)s could decide this.")
    elif obstacle.name == "once":
        message = gettext_noop("%(name)s has answered already.")
    elif obstacle.name == "stage":
        message = gettext_noop("The stage of %(name)s is not open.")
    else:
        message = gettext_noop("The policy excludes %(name)s.")
    return Rule("delegation", obstacle is None, message, {"name": delegator.name})
