"""Editing a named policy where it runs: versions, who may, what is recorded, and for whom it holds."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User

from approvals import operations, policies, registry
from approvals.audit import events_in
from approvals.errors import NotAllowed
from approvals.models import ApprovalRequest, PolicyVersion
from approvals.operations.editing import stream_of
from approvals.policies import Policy, requester
from approvals.policy_versions import policy_in_force
from approvals.registry import policy_register
from approvals.requirements import InvalidPolicy, n_of
from promises.times import now_ms
from tests.approvals.conftest import people_create
from tests.approvals.threads import at_once

People = dict[str, User]
Ask = Callable[..., ApprovalRequest]
POLICY = Policy("pay", stages=["group:finance"], version=4)
STRICTER = policies.freeze(POLICY.changed(stages=[n_of(2, "group:finance")]))


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    policy_register(POLICY)


def edit(by: User, definition: Any = STRICTER, **more: Any) -> PolicyVersion:
    return operations.policy_edit("pay", definition, by=by, now=now_ms(), **{"reason": "four eyes", **more})


def test_an_edit_holds_for_requests_that_open_from_then_on(people: People, ask: Ask) -> None:
    before = ask(to=POLICY)
    edit(people["admin"])
    after = ask(to=POLICY)
    assert (before.policy["version"], after.policy["version"]) == (4, 5)
    assert (before.policy["stages"][0]["need"], after.policy["stages"][0]["need"]) == (1, 2)
    assert before.digest != after.digest


def test_it_is_recorded_with_what_was_before_and_why(people: People) -> None:
    edit(people["admin"])
    (event,) = events_in(stream_of("pay"))
    assert (event.kind, event.actor, event.data["reason"]) == ("policy_edited", "admin", "four eyes")
    assert event.data["from"] == policies.freeze(POLICY)
    assert event.data["to"] == {**STRICTER, "version": 5}


def test_whom_a_workflow_excludes_beside_the_policy_stays_excluded(people: People, ask: Ask) -> None:
    edit(people["admin"])
    assert ask(to=POLICY, never=requester()).policy["never"] == ["requester"]


def test_the_code_takes_over_with_a_higher_version(people: People) -> None:
    edit(people["admin"])
    assert policy_in_force(POLICY).version == 5
    newer = policy_register(POLICY.changed(version=6, stages=["group:sre"]))
    assert policy_in_force(newer) == newer
    assert edit(people["admin"]).version == 7


def test_a_policy_that_is_not_registered_is_what_the_workflow_says(people: People, ask: Ask) -> None:
    PolicyVersion.objects.create(name="other", version=9, definition=STRICTER, created_by="x", created_at=1)
    assert ask(to=Policy("other", stages=["group:sre"])).policy["stages"] == [{"need": 1, "of": ["group:sre"]}]


def test_it_takes_the_permission(people: People) -> None:
    with pytest.raises(NotAllowed):
        edit(people["bob"])
    people["bob"].user_permissions.add(Permission.objects.get(codename="add_policyversion"))
    assert edit(User.objects.get(username="bob")).created_by == "bob"


WRONG = [
    policies.freeze(POLICY),  # what it is already
    {},
    {**STRICTER, "stages": []},
    {**STRICTER, "calendar": "nowhere"},
    {**STRICTER, "never": ["everybody"]},
]


@pytest.mark.parametrize("definition", WRONG)
def test_a_definition_that_is_no_policy_or_no_change_is_refused(people: People, definition: Any) -> None:
    with pytest.raises(InvalidPolicy):
        edit(people["admin"], definition)
    assert not PolicyVersion.objects.exists()


def test_it_takes_a_reason_and_a_policy_that_there_is(people: People) -> None:
    with pytest.raises(InvalidPolicy, match="why"):
        edit(people["admin"], reason=" ")
    with pytest.raises(InvalidPolicy, match="No policy"):
        operations.policy_edit("poy", STRICTER, by=people["admin"], reason="x", now=now_ms())


@pytest.mark.django_db(transaction=True)
def test_two_edits_at_once_are_two_versions_or_one() -> None:
    admin = people_create()["admin"]
    other = policies.freeze(POLICY.changed(stages=["group:sre"]))
    results = at_once(partial(edit, admin), partial(edit, admin, other))
    assert sorted(PolicyVersion.objects.values_list("version", flat=True)) == [5, 6], results
    assert [event.number for event in events_in(stream_of("pay"))] == [1, 2]
