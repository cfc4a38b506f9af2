"""What a changed policy would have made of the past: pure, on recorded events; and the command that tells it."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command

from approvals import operations, policies, registry
from approvals.audit import events_of
from approvals.durations import after
from approvals.models import ApprovalRequest
from approvals.people import members_for
from approvals.policies import Policy, requester
from approvals.registry import policy_register
from approvals.requirements import n_of
from approvals.simulation import Ending, ending_of, simulate
from promises.times import now_ms

People = dict[str, User]
Ask = Callable[..., ApprovalRequest]
NOW = now_ms() - 24 * 3_600_000
HOUR = 3_600_000
POLICY = Policy("pay", stages=[n_of(2, "group:sre")])


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    policy_register(POLICY)


@pytest.fixture
def past(people: People, ask: Ask) -> ApprovalRequest:
    """dave, then erin: decided by two of sre; ana had asked."""
    request = ask("Pay?", to=POLICY, now=NOW, timeout=after("10h", then="reject"))
    for hours, name in enumerate(("dave", "erin"), 1):
        decide(request, people[name], NOW + hours * HOUR)
    return request


def decide(request: ApprovalRequest, actor: User, now: int, **more: Any) -> operations.Vote:
    return operations.approval_decide(request.pk, actor=actor, outcome="approve", channel="page", now=now, **more)


def would(changed: Policy, request: ApprovalRequest) -> Any:
    return simulate(changed, events_of(request), members_for(changed))


def test_under_its_own_policy_it_ends_as_it_did(past: ApprovalRequest) -> None:
    told = would(POLICY, past)
    assert told.ending == ending_of(events_of(past)) == Ending("approve", "erin", NOW + 2 * HOUR)
    assert told.refusals == []


CHANGED = [
    # the changed policy, how it would end
    (POLICY.changed(stages=["group:sre"]), Ending("approve", "dave", NOW + HOUR)),
    (POLICY.changed(stages=[n_of(3, "group:sre")]), Ending("reject", "", NOW + 10 * HOUR)),  # by its deadline
    (POLICY.changed(stages=["group:finance"]), Ending("reject", "", NOW + 10 * HOUR)),
    (POLICY.changed(stages=["group:sre", "group:sre"]), Ending("approve", "erin", NOW + 2 * HOUR)),
    (POLICY.changed(stages=[n_of(2, "user:dave", "group:finance")]), Ending("reject", "", NOW + 10 * HOUR)),
    (
        POLICY.changed(stages=["group:finance"], escalate=after("90min", to="group:sre")),
        Ending("approve", "erin", NOW + 2 * HOUR),
    ),
]


@pytest.mark.parametrize(("changed", "ending"), CHANGED)
def test_how_it_would_have_ended(past: ApprovalRequest, changed: Policy, ending: Ending) -> None:
    assert would(changed, past).ending == ending


def test_a_ballot_that_would_not_have_been_taken_says_which_rule(past: ApprovalRequest) -> None:
    told = would(POLICY.changed(never=["user:dave"]), past)
    assert [(refusal.actor, refusal.rule.name) for refusal in told.refusals] == [("dave", "excluded")]


def test_who_has_left_since_counts_as_what_he_was(past: ApprovalRequest, people: People) -> None:
    people["dave"].groups.clear()
    people["erin"].delete()
    assert would(POLICY, past).ending == Ending("approve", "erin", NOW + 2 * HOUR)


def test_places_that_were_handed_on_and_taken_are_so_again(people: People, ask: Ask) -> None:
    policy = Policy("pay", stages=["user:ana", "group:finance"])
    request = ask(to=policy, requester="", now=NOW)
    operations.approval_reassign(
        request.pk, instead_of="user:ana", to="user:bob", actor=people["ana"], reason="", channel="page", now=NOW
    )
    operations.delegation_create("bob", "dave", starts_at=NOW, ends_at=NOW + HOUR, by=people["bob"], now=NOW)
    decide(request, people["dave"], NOW + 1)
    decide(request, people["carol"], NOW + 2)
    assert would(policy, request).ending == Ending("approve", "carol", NOW + 2)


def test_who_asked_could_have_been_excluded(people: People, ask: Ask) -> None:
    request = ask(to=Policy("pay", stages=["group:sre"]), requester="dave", now=NOW)
    decide(request, people["dave"], NOW + 1)
    told = would(Policy("pay", stages=["group:sre"], never=requester()), request)
    assert (told.ending, [refusal.rule.name for refusal in told.refusals]) == (Ending(), ["requester"])


# -- the command -----------------------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("policy", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_says_what_would_differ(past: ApprovalRequest, people: People, ask: Ask, tmp_path: Path) -> None:
    ask("Open", to=POLICY, now=NOW)
    ask("Of another policy", now=NOW)
    assert "1 request replayed: 0 would differ." in run("simulate", "pay")
    file = tmp_path / "changed.json"
    file.write_text(run("show", "pay").replace('"need": 2', '"need": 1'))
    told = run("simulate", "pay", "--file", str(file))
    assert "was: Approve, by erin" in told
    assert "would be: Approve, by dave" in told
    assert "1 request replayed: 1 would differ." in told
    file.write_text(run("show", "pay").replace('"never": []', '"never": ["user:dave"]'))
    assert "refused: dave (The policy excludes dave.)" in run("simulate", "pay", "--file", str(file))
    assert "0 requests replayed" in run("simulate", "pay", "--since", "1h")


def test_policies_are_listed_with_whom_they_ask(people: People) -> None:
    assert run("list") == "pay  1  sre\n"
    assert policies.thaw(json.loads(run("show", "pay"))) == POLICY


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "nothing"),
        ("simulate", "nothing"),
        ("simulate", "pay", "--file", "/nowhere"),
        ("simulate", "pay", "--since", "soon"),
    ],
)
def test_what_cannot_be_simulated_is_said_so(people: People, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        run(*arguments)


@pytest.mark.parametrize("text", ["no json", "[]", "{}", '{"stages": []}'])
def test_a_file_that_holds_no_policy_is_refused(people: People, tmp_path: Path, text: str) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(text)
    with pytest.raises(CommandError):
        run("simulate", "pay", "--file", str(file))


def test_groups_that_are_named_anew_are_those_of_today(past: ApprovalRequest, people: People) -> None:
    changed = POLICY.changed(stages=["group:leads"])
    assert would(changed, past).ending == Ending("reject", "", NOW + 10 * HOUR)
    people["dave"].groups.add(Group.objects.create(name="leads"))
    assert would(changed, past).ending == Ending("approve", "dave", NOW + HOUR)
