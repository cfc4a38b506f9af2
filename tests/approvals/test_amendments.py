"""How the audience of an open request departs from its policy: pure functions, as a table."""

import pytest

from approvals import amendments
from approvals.amendments import Amendment, amended
from approvals.counting import Cast
from approvals.outcomes import outcomes_of
from approvals.policies import Policy, policy_of
from approvals.requirements import all_of, any_of, n_of, percent_of
from approvals.verdicts import Decided, Open, Stalled, evaluate

MEMBERS = {
    "user:ana": {"ana"},
    "user:bob": {"bob"},
    "user:ciso": {"ciso"},
    "group:sre": {"dave", "erin"},
    "group:leads": {"lea", "leo"},
}
OUTCOMES = outcomes_of(None)


def cast(name: str, *matched: str, stage: int = 0) -> Cast:
    return Cast(name, "approve", matched, stage)


TO_BOB = Amendment("reassign", ("user:bob",), instead_of="user:ana")
LEADS_TOO = Amendment("escalate", ("group:leads",))
BOB_TOO = Amendment("add", ("user:bob",))
AND_BOB = Amendment("require", ("user:bob",))
TWO_STAGES = Policy(stages=["user:ana", n_of(2, "user:ana", "group:sre")], veto=["user:ana"])

TABLE = [
    # policy, amendments, whom it asks stage by stage
    (policy_of("user:ana"), [], [["user:ana"]]),
    (policy_of("user:ana"), [TO_BOB], [["user:bob"]]),
    (TWO_STAGES, [TO_BOB], [["user:bob"], ["user:bob", "group:sre"]]),
    (TWO_STAGES, [LEADS_TOO], [["user:ana", "group:leads"], ["user:ana", "group:sre", "group:leads"]]),
    (TWO_STAGES, [BOB_TOO], [["user:ana", "user:bob"], ["user:ana", "group:sre"]]),
    (TWO_STAGES, [AND_BOB], [["user:ana", "user:bob"], ["user:ana", "group:sre"]]),
    (TWO_STAGES, [LEADS_TOO, LEADS_TOO], [["user:ana", "group:leads"], ["user:ana", "group:sre", "group:leads"]]),
    (policy_of("user:ana"), [BOB_TOO, TO_BOB], [["user:bob"]]),
    (policy_of("user:ana"), [TO_BOB, Amendment("reassign", ("user:ana",), instead_of="user:bob")], [["user:ana"]]),
]


@pytest.mark.parametrize(("policy", "changes", "asked"), TABLE)
def test_whom_a_request_asks(policy: Policy, changes: list[Amendment], asked: list[list[str]]) -> None:
    changed = amended(policy, changes)
    assert [list(changed.principals(stage)) for stage in range(len(policy.stages))] == asked


def test_a_veto_is_handed_on_too() -> None:
    assert amended(TWO_STAGES, [TO_BOB]).veto == ("user:bob",)


def test_a_ballot_cast_before_its_place_was_handed_on_counts_on() -> None:
    policy = amended(policy_of(all_of("user:ana", "group:sre")), [TO_BOB])
    verdict = evaluate(policy, [cast("ana", "user:ana"), cast("dave", "group:sre")], OUTCOMES, MEMBERS)
    assert verdict == Decided("approve")


def test_who_was_added_counts_in_the_place_of_another() -> None:
    policy = amended(policy_of(n_of(2, "group:sre")), [LEADS_TOO])
    assert evaluate(policy, [cast("dave", "group:sre"), cast("lea", "group:leads")], OUTCOMES, MEMBERS) == Decided(
        "approve"
    )


def test_who_is_required_is_needed_as_well() -> None:
    policy = amended(policy_of("group:sre"), [AND_BOB])
    assert isinstance(evaluate(policy, [cast("dave", "group:sre")], OUTCOMES, MEMBERS), Open)
    both = [cast("dave", "group:sre"), cast("bob", "user:bob")]
    assert evaluate(policy, both, OUTCOMES, MEMBERS) == Decided("approve")


def test_escalating_does_not_raise_what_a_percentage_asks() -> None:
    policy = amended(policy_of(percent_of(100, "group:sre")), [LEADS_TOO])
    two = [cast("lea", "group:leads"), cast("leo", "group:leads")]
    assert evaluate(policy, two, OUTCOMES, MEMBERS) == Decided("approve")


def test_escalating_gives_a_stalled_request_people_again() -> None:
    policy = policy_of(any_of("group:nobody", n_of(3, "group:sre")))
    assert isinstance(evaluate(policy, [], OUTCOMES, MEMBERS), Stalled)
    assert isinstance(evaluate(amended(policy, [LEADS_TOO]), [], OUTCOMES, MEMBERS), Open)


def test_an_amendment_survives_being_frozen() -> None:
    for amendment in (TO_BOB, LEADS_TOO, BOB_TOO, AND_BOB):
        assert amendments.thaw(amendments.freeze(amendment)) == amendment
