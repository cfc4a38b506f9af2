"""Policies by name and version."""

import pytest

from approvals import registry
from approvals.policies import Policy, policy_of
from approvals.registry import policies_registered, policy_named, policy_register
from approvals.requirements import InvalidPolicy


@pytest.fixture(autouse=True)
def _no_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


def test_a_name_stands_for_the_highest_version() -> None:
    newer = policy_register(Policy("prod", version=2, stages=["group:sre"]))
    policy_register(Policy("prod", stages=["group:qa"]))
    assert policy_named("prod") is newer
    assert policies_registered() == [newer]


def test_a_request_names_a_policy_instead_of_writing_it_out() -> None:
    policy = policy_register(Policy("prod", stages=["group:sre"]))
    assert policy_of("policy:prod") is policy
    assert policy_of("policy:prod", never="user:ana").never == ("user:ana",)


def test_registering_the_same_again_changes_nothing() -> None:
    for _ in range(2):
        policy_register(Policy("prod", stages=["group:sre"]))
    assert len(policies_registered()) == 1


def test_a_changed_policy_takes_the_next_version() -> None:
    policy_register(Policy("prod", stages=["group:sre"]))
    with pytest.raises(InvalidPolicy, match="next version"):
        policy_register(Policy("prod", stages=["group:qa"]))


def test_a_policy_without_a_name_cannot_be_registered() -> None:
    with pytest.raises(InvalidPolicy, match="name"):
        policy_register(Policy(stages=["group:sre"]))


def test_an_unknown_name_is_told_with_those_that_there_are() -> None:
    policy_register(Policy("prod", stages=["group:sre"]))
    with pytest.raises(InvalidPolicy, match="there are: prod"):
        policy_of("policy:pord")
