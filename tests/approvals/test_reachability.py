"""Whether a request can still be decided, held against trying every way in which people could vote."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from approvals.counting import Cast, able_to_vote, is_met
from approvals.outcomes import approve, reject
from approvals.policies import Policy, same_person_twice
from approvals.reachability import TRIES, is_reachable
from approvals.requirements import AllOf, AnyOf, Count, Requirement, percent_of

PRINCIPALS = ("group:a", "group:b", "group:c")
PEOPLE = "pqrst"
OUTCOMES = (approve(), reject())

counts = st.builds(
    Count,
    st.lists(st.sampled_from(PRINCIPALS), min_size=1, max_size=2, unique=True).map(tuple),
    need=st.integers(1, 3),
    percent=st.sampled_from([None, None, 50, 100]),
)
requirements = st.recursive(
    counts,
    lambda parts: st.one_of(
        st.builds(AllOf, st.lists(parts, min_size=2, max_size=2).map(tuple)),
        st.builds(AnyOf, st.lists(parts, min_size=2, max_size=2).map(tuple)),
    ),
    max_leaves=3,
)
policies = st.builds(
    lambda stages, twice: Policy(stages=stages, never=[same_person_twice()] if twice else []),
    st.lists(requirements, min_size=1, max_size=2),
    st.booleans(),
)
members = st.fixed_dictionaries({p: st.sets(st.sampled_from(PEOPLE), max_size=4) for p in PRINCIPALS})


def can_be_met(stages: tuple[Requirement, ...], able: dict[str, set[str]], free: frozenset[str], twice: bool) -> bool:
    """By trying every set of voters in every stage."""
    if not stages:
        return True
    for size in range(len(free) + 1):
        for voters in combinations(sorted(free), size):
            matched = {name: tuple(p for p in PRINCIPALS if name in able[p]) for name in voters}
            if is_met(stages[0], matched, able):
                left = free - set(voters) if twice else free
                if can_be_met(stages[1:], able, left, twice):
                    return True
    return False


@settings(max_examples=400, deadline=None)
@given(policies, members)
def test_it_is_what_trying_every_way_to_vote_says(policy: Policy, members: dict[str, set[str]]) -> None:
    able = able_to_vote(policy, members, "")
    expected = can_be_met(policy.stages, able, frozenset(PEOPLE), policy.excludes_same_person)
    assert is_reachable(policy, 0, [], OUTCOMES, able) is expected


@settings(max_examples=200, deadline=None)
@given(policies, members, st.sampled_from(PEOPLE))
def test_who_has_voted_no_further_counts_only_where_he_voted(
    policy: Policy, members: dict[str, set[str]], name: str
) -> None:
    able = able_to_vote(policy, members, "")
    matched = tuple(p for p in policy.principals(0) if name in able[p])
    ballots = [Cast(name, "approve", matched)] if matched else []
    if is_reachable(policy, 0, ballots, OUTCOMES, able):
        assert is_reachable(policy, 0, [], OUTCOMES, able)  # a ballot never opens a way that was not there


def test_a_crowd_that_is_too_large_to_share_out_counts_as_enough() -> None:
    crowd = {p: {f"{p}{n}" for n in range(400)} | {f"all{n}" for n in range(400)} for p in PRINCIPALS}
    policy = Policy(
        stages=[percent_of(90, *PRINCIPALS), AllOf((percent_of(90, "group:a"), percent_of(90, "group:b")))],
        never=same_person_twice(),
    )
    assert TRIES < 100_000
    assert is_reachable(policy, 0, [], OUTCOMES, crowd)
