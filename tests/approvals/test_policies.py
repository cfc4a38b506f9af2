"""The policies as tables: what ballots say, and who may cast one."""

import pytest

from approvals import policies
from approvals.cards import card, card_of
from approvals.errors import AlreadyVoted, CommentRequired, NotEligible, UnknownOutcome
from approvals.outcomes import Outcome, approve, outcomes_of, reject, request_changes
from approvals.policies import (
    InvalidPolicy,
    Policy,
    all_of,
    any_of,
    n_of,
    percent_of,
    policy_of,
    requester,
    same_person_twice,
)
from approvals.verdicts import Cast, Decided, Open, Stalled, Voter, ballot_check, eligibility, evaluate

MEMBERS = {
    "user:ana": {"ana"},
    "user:bob": {"bob"},
    "user:ciso": {"ciso"},
    "group:finance": {"bob", "carol"},
    "group:sre": {"dave", "erin", "frank"},
    "group:qa": {"quinn", "dave"},
    "permission:release.approve": {"rita", "dave"},
}
OUTCOMES = (approve(), reject(), request_changes(), Outcome("canary"))
PROD = Policy(
    "prod",
    stages=[all_of("group:qa", n_of(2, "group:sre")), any_of("permission:release.approve")],
    never=[requester(), same_person_twice()],
    veto=["user:ciso"],
)


def cast(name: str, outcome: str = "approve", stage: int = 0) -> Cast:
    matched = tuple(principal for principal, people in MEMBERS.items() if name in people)
    return Cast(name, outcome, matched, stage)


def voter(name: str, *, is_person: bool = True) -> Voter:
    return Voter(name, frozenset(p for p, people in MEMBERS.items() if name in people), is_person)


YES, NO = Decided("approve"), Decided("reject")

VERDICTS = [
    # who is asked, ballots, verdict
    ("user:bob", [], Open),
    ("user:bob", [cast("bob")], YES),
    ("user:bob", [cast("bob", "reject")], NO),
    ("user:bob", [cast("bob", "request_changes")], Decided("request_changes")),
    ("user:bob", [cast("bob", "canary")], Decided("canary")),
    ("group:finance", [cast("carol")], YES),
    (["user:ana", "group:finance"], [cast("ana")], YES),
    (any_of("user:ana", n_of(2, "group:sre")), [cast("dave")], Open),
    (any_of("user:ana", n_of(2, "group:sre")), [cast("dave"), cast("erin")], YES),
    (any_of("user:ana", n_of(2, "group:sre")), [cast("ana")], YES),
    (all_of("user:ana", "group:finance"), [cast("ana")], Open),
    (all_of("user:ana", "group:finance"), [cast("ana"), cast("bob")], YES),
    (all_of("group:qa", "group:sre"), [cast("dave")], YES),  # one ballot counts in each part its voter belongs to
    (n_of(2, "group:sre"), [cast("dave")], Open),
    (n_of(2, "group:sre"), [cast("dave"), cast("frank")], YES),
    (n_of(2, "group:sre"), [cast("dave"), cast("frank", "reject")], NO),
    (n_of(2, "group:sre"), [cast("dave"), cast("erin", "canary")], Open),  # frank can still make two of either
    (n_of(2, "group:finance"), [cast("bob"), cast("carol", "canary")], Stalled),
    (n_of(3, "group:finance"), [], Stalled),  # there are only two
    ("group:nobody", [], Stalled),
    (percent_of(50, "group:sre"), [cast("dave")], Open),  # half of three is two people
    (percent_of(50, "group:sre"), [cast("dave"), cast("erin")], YES),
    (percent_of(100, "group:finance"), [cast("bob"), cast("carol")], YES),
    (PROD, [cast("quinn"), cast("dave")], Open),
    (PROD, [cast("quinn"), cast("dave"), cast("erin")], Open),  # the second stage has begun
    (PROD, [cast("quinn"), cast("dave"), cast("erin"), cast("rita", stage=1)], YES),
    (PROD, [cast("ciso", "reject")], NO),
    # whoever voted in the first stage cannot in the second, and rita is the only other
    (PROD, [cast("quinn"), cast("rita"), cast("erin"), cast("frank")], Open),
]


@pytest.mark.parametrize(("to", "ballots", "expected"), VERDICTS)
def test_the_ballots_say(to: object, ballots: list[Cast], expected: object) -> None:
    verdict = evaluate(policy_of(to), ballots, OUTCOMES, MEMBERS)
    if isinstance(expected, type):
        assert isinstance(verdict, expected)
    else:
        assert verdict == expected


def test_a_request_that_only_its_requester_could_decide_is_stalled() -> None:
    policy = policy_of("user:ana", never=requester())
    assert isinstance(evaluate(policy, [], OUTCOMES, MEMBERS, requester="ana"), Stalled)
    assert isinstance(evaluate(policy, [], OUTCOMES, MEMBERS, requester="bob"), Open)


def test_without_members_nothing_is_stalled_and_no_percentage_counted() -> None:
    assert isinstance(evaluate(policy_of("group:nobody"), [], OUTCOMES), Open)
    with pytest.raises(ValueError, match="members"):
        evaluate(policy_of(percent_of(50, "group:sre")), [], OUTCOMES)


def test_progress_counts_each_part() -> None:
    verdict = evaluate(PROD, [cast("dave"), cast("erin")], OUTCOMES, MEMBERS)
    assert isinstance(verdict, Open)
    assert [(p.principals, p.have, p.need) for p in verdict.progress] == [
        (("group:qa",), 1, 1),
        (("group:sre",), 2, 2),
    ] or verdict.stage == 1


def test_progress_follows_the_outcome_that_is_furthest() -> None:
    verdict = evaluate(policy_of(n_of(3, "group:sre")), [cast("dave", "canary"), cast("erin")], OUTCOMES, MEMBERS)
    assert [(p.have, p.need) for p in verdict.progress] == [(1, 3)]  # type: ignore[union-attr]


ELIGIBLE = [
    # policy, who, ballots, stage, may he?, the rule that stands in the way
    (policy_of("group:finance"), voter("bob"), [], 0, True, None),
    (policy_of("group:finance"), voter("ana"), [], 0, False, "audience"),
    (policy_of("group:finance"), voter("bob", is_person=False), [], 0, False, "person"),
    (policy_of("group:finance"), voter("bob"), [cast("bob")], 0, False, "once"),
    (policy_of("user:ana", never=requester()), voter("ana"), [], 0, False, "requester"),
    (policy_of("group:finance", never="user:bob"), voter("bob"), [], 0, False, "excluded"),
    (policy_of("group:finance", never="user:bob"), voter("carol"), [], 0, True, None),
    (PROD, voter("rita"), [], 0, False, "stage"),
    (PROD, voter("rita"), [], 1, True, None),
    (PROD, voter("dave"), [cast("dave")], 1, False, "same_person"),
    (PROD, voter("ciso"), [], 0, True, None),
]


@pytest.mark.parametrize(("policy", "who", "ballots", "stage", "allowed", "obstacle"), ELIGIBLE)
def test_who_may_decide(
    policy: Policy, who: Voter, ballots: list[Cast], stage: int, allowed: bool, obstacle: str | None
) -> None:
    found = eligibility(policy, who, ballots, requester="ana", stage=stage)
    assert found.allowed is allowed
    assert (found.obstacle.name if found.obstacle else None) == obstacle
    assert all(rule.why for rule in found.rules)


def test_a_veto_says_no_and_nothing_else() -> None:
    found = eligibility(PROD, voter("ciso"), [], requester="ana", stage=0)
    assert ballot_check(found, OUTCOMES, "reject", "not this week").name == "reject"
    with pytest.raises(NotEligible, match="veto"):
        ballot_check(found, OUTCOMES, "approve", "")


@pytest.mark.parametrize(
    ("who", "outcome", "comment", "error"),
    [
        ("ana", "approve", "", NotEligible),
        ("ana", "nonsense", "", NotEligible),  # an outsider learns nothing of what is offered
        ("bob", "nonsense", "", UnknownOutcome),
        ("bob", "reject", "  ", CommentRequired),
        ("carol", "approve", "", AlreadyVoted),
    ],
)
def test_a_ballot_is_refused(who: str, outcome: str, comment: str, error: type[Exception]) -> None:
    found = eligibility(policy_of("group:finance"), voter(who), [cast("carol")], requester="ana", stage=0)
    with pytest.raises(error):
        ballot_check(found, OUTCOMES, outcome, comment)


@pytest.mark.parametrize(
    "to", ["user:ana", ["user:ana", "group:x y"], n_of(2, "group:sre"), percent_of(34, "group:sre"), PROD]
)
def test_a_policy_survives_being_frozen(to: object) -> None:
    policy = policy_of(to, never=[requester(), "user:bob"])
    assert policies.thaw(policies.freeze(policy)) == policy


@pytest.mark.parametrize(
    "to",
    ["ana", "group:", "", None, 7, [], ["user:ana", 3], "permission:nodot", {"user": "ana"}, "group:a\nb"],
)
def test_an_audience_that_names_nobody_is_refused(to: object) -> None:
    with pytest.raises(InvalidPolicy):
        policy_of(to)


@pytest.mark.parametrize("count", [0, -1, True, 1.5, "2"])
def test_a_count_of_people_is_a_positive_number(count: object) -> None:
    with pytest.raises(InvalidPolicy):
        n_of(count, "group:sre")  # type: ignore[arg-type]


def test_more_people_than_are_named_is_refused() -> None:
    with pytest.raises(InvalidPolicy, match="names only 2"):
        n_of(3, "user:ana", "user:bob")


@pytest.mark.parametrize("percent", [0, 101, True, "50"])
def test_a_percentage_is_from_1_to_100(percent: object) -> None:
    with pytest.raises(InvalidPolicy):
        percent_of(percent, "group:sre")  # type: ignore[arg-type]


@pytest.mark.parametrize("frozen", [{}, {"name": "x"}, {"stages": "x"}, {"name": "", "stages": [], "never": []}])
def test_what_is_no_frozen_policy_is_refused(frozen: dict[str, object]) -> None:
    with pytest.raises(InvalidPolicy):
        policies.thaw(frozen)


def test_the_digest_covers_what_is_agreed_to_and_nothing_else() -> None:
    one = card("Pay?", to="group:finance", requester="ana")
    assert one.digest == card("Pay?", to="group:finance", requester="bob").digest
    assert one.digest == card_of(one.to_json()).digest
    assert one.digest != card("Pay?", to="group:sre").digest
    assert one.digest != card("Pay?", to="group:finance", outcomes=["approve"]).digest
    assert one.digest != card("Pay?", to="group:finance", show=[{"type": "json", "value": 1}]).digest


def test_outcomes_are_named_once_and_at_least_one() -> None:
    assert [outcome.name for outcome in outcomes_of(None)] == ["approve", "reject"]
    for wrong in ([], ["approve", "approve"], ["Not a name"]):
        with pytest.raises(ValueError, match=r"outcome|name"):
            outcomes_of(wrong)
