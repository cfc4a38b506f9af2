"""The policies as tables: what ballots say, and who may cast one."""

import pytest

from approvals import policies
from approvals.cards import card, card_of
from approvals.counting import Cast
from approvals.durations import after
from approvals.errors import AlreadyVoted, CommentRequired, InvalidCard, NotEligible, UnknownOutcome
from approvals.outcomes import Outcome, approve, outcomes_of, reject, request_changes
from approvals.policies import Policy, policy_of, requester, same_person_twice
from approvals.requirements import InvalidPolicy, all_of, any_of, n_of, percent_of
from approvals.rules import Standing, Voter, ballot_check, eligibility
from approvals.verdicts import Decided, Open, Stalled, evaluate

TWICE = Policy(
    "twice", stages=[n_of(2, "group:sre", "user:rita"), "permission:release.approve"], never=same_person_twice()
)
MEMBERS = {
    "user:ana": {"ana"},
    "user:bob": {"bob"},
    "user:ciso": {"ciso"},
    "user:dave": {"dave"},
    "user:rita": {"rita"},
    "group:finance": {"bob", "carol"},
    "group:sre": {"dave", "erin", "frank"},
    "group:qa": {"quinn", "dave"},
    "permission:release.approve": {"rita", "dave"},
}
OUTCOMES = (approve(), reject(), request_changes(), Outcome("canary"))
PROD = Policy(
    "prod",
    version=3,
    remind=["2h", "90min"],
    escalate=[after("8h", to="group:leads"), after("4h", to=["user:ana", "group:qa"])],
    calendar="office",
    stages=[all_of("group:qa", n_of(2, "group:sre")), any_of("permission:release.approve")],
    never=[requester(), same_person_twice()],
    veto=["user:ciso"],
)


def cast(name: str, outcome: str = "approve", stage: int = 0) -> Cast:
    matched = tuple(principal for principal, people in MEMBERS.items() if name in people)
    return Cast(name, outcome, matched, stage)


def for_bob(name: str) -> Cast:
    return Cast(name, "approve", ("group:finance",), 0, "bob")


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
    # dave and rita can approve the release; if both are needed in the first stage nobody is left for the second
    (TWICE, [], Open),
    (TWICE, [cast("dave"), cast("rita")], Stalled),
    (TWICE, [cast("dave"), cast("erin")], Open),
    (Policy(stages=["group:sre", "group:nobody"]), [], Stalled),  # the second stage can be seen to fail from the first
    (Policy(stages=["user:bob", "group:finance"], never=same_person_twice()), [], Open),
    (Policy(stages=["user:bob", "user:bob"], never=same_person_twice()), [], Stalled),
    (Policy(stages=["user:bob", "user:bob"]), [], Open),
    (Policy(stages=[n_of(2, "group:sre"), n_of(2, "group:sre")], never=same_person_twice()), [], Stalled),
    (Policy(stages=[n_of(2, "group:sre"), "group:sre"], never=same_person_twice()), [], Open),
    (Policy(stages=[all_of("group:qa", "group:sre"), "user:dave"], never=same_person_twice()), [], Open),
    (Policy(stages=[any_of("user:dave", n_of(2, "group:sre")), "user:dave"], never=same_person_twice()), [], Open),
    # a percentage is of those who may vote
    (policy_of(percent_of(100, "group:finance"), never="user:bob"), [cast("carol")], YES),
    (policy_of(percent_of(50, "group:sre"), never="group:qa"), [cast("erin")], YES),
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


def test_a_stage_that_has_begun_stays_so_when_the_earlier_one_would_not_be_met_any_more() -> None:
    policy = Policy(stages=[percent_of(50, "group:sre"), "group:qa"])
    ballots = [cast("dave"), cast("erin")]
    grown = {**MEMBERS, "group:sre": {"dave", "erin", "frank", "gus", "hal"}}
    assert evaluate(policy, ballots, OUTCOMES, grown, stage=1).stage == 1  # type: ignore[union-attr]


def test_where_only_negative_outcomes_are_offered_one_voter_is_enough() -> None:
    policy = policy_of(n_of(3, "group:finance"))
    assert isinstance(evaluate(policy, [], (reject(),), MEMBERS), Open)
    assert isinstance(evaluate(policy_of("group:nobody"), [], (reject(),), MEMBERS), Stalled)


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
    found = eligibility(policy, who, Standing(ballots, "ana", stage))
    assert found.allowed is allowed
    assert (found.obstacle.name if found.obstacle else None) == obstacle
    assert all(rule.why for rule in found.rules)


CLAIMED = [
    # who wants to decide, who has claimed it, may he?
    ("bob", "bob", True),
    ("carol", "bob", False),
    ("carol", "", True),
    ("ciso", "bob", True),  # a veto is not to be locked out
]


@pytest.mark.parametrize(("name", "claimed_by", "allowed"), CLAIMED)
def test_a_claim_keeps_others_out(name: str, claimed_by: str, allowed: bool) -> None:
    policy = Policy(stages=["group:finance"], veto=["user:ciso"])
    assert eligibility(policy, voter(name), Standing([], "ana", 0, claimed_by)).allowed is allowed


STANDS_IN = [
    # policy, who wants to decide, for whom he stands in, ballots, stage, may he?, for whom or what is in the way
    (policy_of("group:finance"), "dave", ["bob"], [], 0, True, "bob"),
    (policy_of("group:finance"), "carol", ["bob"], [], 0, True, ""),  # he has a place of his own
    (policy_of("group:finance"), "dave", ["erin"], [], 0, False, "audience"),
    (policy_of("group:finance"), "dave", ["erin", "carol"], [], 0, True, "carol"),
    (policy_of("group:finance"), "dave", ["bob"], [cast("bob")], 0, False, "delegation"),  # the place is taken
    (policy_of(n_of(2, "group:finance")), "dave", ["bob", "carol"], [cast("bob")], 0, True, "carol"),
    (policy_of(n_of(2, "group:finance")), "dave", ["bob", "carol"], [for_bob("dave")], 0, False, "once"),
    (policy_of(n_of(2, "group:finance")), "bob", [], [for_bob("dave")], 0, False, "once"),
    (policy_of("group:finance", never=requester()), "ana", ["bob"], [], 0, False, "requester"),  # he passes it himself
    (policy_of("user:ana", never=requester()), "bob", ["ana"], [], 0, False, "delegation"),  # and so must the other
    (policy_of("group:finance", never="group:qa"), "dave", ["bob"], [], 0, False, "excluded"),
    (policy_of("group:finance", never="user:bob"), "dave", ["bob"], [], 0, False, "delegation"),
    (PROD, "erin", ["rita"], [cast("erin")], 1, False, "same_person"),
    (PROD, "erin", ["rita"], [cast("frank")], 1, True, "rita"),
    (PROD, "gus", ["rita"], [], 0, False, "delegation"),  # her stage is not open
    (PROD, "gus", ["ciso"], [], 0, True, "ciso"),
]


@pytest.mark.parametrize(("policy", "who", "delegators", "ballots", "stage", "allowed", "told"), STANDS_IN)
def test_who_stands_in(
    policy: Policy, who: str, delegators: list[str], ballots: list[Cast], stage: int, allowed: bool, told: str
) -> None:
    found = eligibility(policy, voter(who), Standing(ballots, "ana", stage), [voter(name) for name in delegators])
    assert found.allowed is allowed
    assert (found.on_behalf_of if allowed else found.obstacle and found.obstacle.name) == told
    assert all(rule.why for rule in found.rules)


def test_one_may_say_in_whose_place_one_answers() -> None:
    policy = policy_of(all_of("group:sre", "user:bob"))
    in_his_place = eligibility(policy, voter("dave"), Standing([], "ana", 0), [voter("bob")], on_behalf_of="bob")
    assert (in_his_place.allowed, in_his_place.matched) == (True, ("user:bob",))
    nobody = eligibility(policy, voter("dave"), Standing([], "ana", 0), [], on_behalf_of="bob")
    assert (nobody.allowed, nobody.is_outsider) == (False, True)


def test_a_machine_stands_in_for_nobody() -> None:
    found = eligibility(
        policy_of("group:finance"), voter("gus", is_person=False), Standing([], "ana", 0), [voter("bob")]
    )
    assert (found.allowed, found.obstacle and found.obstacle.name) == (False, "person")


def test_a_veto_says_no_and_nothing_else() -> None:
    found = eligibility(PROD, voter("ciso"), Standing([], "ana", 0))
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
    found = eligibility(policy_of("group:finance"), voter(who), Standing([cast("carol")], "ana", 0))
    with pytest.raises(error):
        ballot_check(found, OUTCOMES, outcome, comment)


@pytest.mark.parametrize(
    "to", ["user:ana", ["user:ana", "group:x y"], n_of(2, "group:sre"), percent_of(34, "group:sre"), PROD]
)
def test_a_policy_survives_being_frozen(to: object) -> None:
    policy = policy_of(to, never=[requester(), "user:bob"])
    assert policies.thaw(policies.freeze(policy)) == policy


def test_a_policy_frozen_by_an_older_release_can_be_read() -> None:
    frozen = {"format": 1, "name": "p", "stages": [{"need": 1, "of": ["user:ana"]}], "never": [], "veto": []}
    assert policies.thaw(frozen) == Policy("p", stages=["user:ana"])


def test_reminders_and_escalations_are_in_the_order_of_their_time() -> None:
    frozen = policies.freeze(PROD)
    assert frozen["remind"] == ["90min", "2h"]
    assert frozen["escalate"] == [
        {"after": "4h", "to": ["user:ana", "group:qa"]},
        {"after": "8h", "to": ["group:leads"]},
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 0},
        {"version": "2"},
        {"remind": "soon"},
        {"remind": "0s"},
        {"escalate": "8h"},
        {"escalate": after("8h", then="reject")},
        {"veto": "ciso"},
        {"never": "ciso"},
        {"stages": []},
    ],
)
def test_a_policy_that_cannot_be_understood_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidCard):
        Policy(**{"stages": ["user:ana"], **wrong})


@pytest.mark.parametrize("arguments", [{}, {"then": "reject", "to": "group:leads"}, {"to": "leads"}, {"to": []}])
def test_after_takes_an_outcome_or_somebody_to_ask(arguments: dict[str, object]) -> None:
    with pytest.raises(InvalidCard):
        after("8h", **arguments)  # type: ignore[call-overload]


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
