"""The measures of deciding: the arithmetic, what is read, and the page."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from approvals import operations
from approvals.measures import CONSIDERED_MS, DAY_MS, Case, Vote, cases_of, measures_of
from approvals.models import ApprovalRequest
from approvals.views.measures import bars_of, harmless
from promises.times import now_ms

NOW = 100 * DAY_MS


def vote(actor: str = "bob", kind: str = "approve", *, read_for: int | None = CONSIDERED_MS, group: str = "") -> Vote:
    at = NOW
    return Vote(actor, (f"group:{group}",) if group else (), kind, at, None if read_for is None else at - read_for)


def case(policy: str = "p", *votes: Vote, state: str = "decided", kind: str = "approve", **more: Any) -> Case:
    """One that was asked a minute ago and decided now, unless said otherwise."""
    given = {
        "opened_at": NOW - 60_000,
        "viewed_at": None,
        "closed_at": NOW if state != "pending" else None,
        "is_edited": False,
        "is_stalled": False,
        **more,
    }
    return Case(policy, state=state, kind=kind, votes=votes, **given)


def measured(*cases: Case) -> Any:
    return measures_of(cases, since=NOW - 2 * DAY_MS, now=NOW)


class TestArithmetic:
    def test_shares_are_of_what_was_decided(self) -> None:
        whole = measured(
            case(kind="reject"),
            case(is_edited=True),
            case(),
            case(),
            case(state="pending", kind=""),
            case(state="timed_out", kind="reject"),
        ).whole
        assert (whole.asked, whole.pending, whole.timed_out) == (6, 1, 1)
        assert (whole.rejected, whole.edited) == (0.25, 0.25)

    def test_times_are_the_middle_and_what_nine_of_ten_keep(self) -> None:
        cases = [case(opened_at=NOW - minutes * 60_000) for minutes in range(1, 11)]
        whole = measured(*cases).whole
        assert (whole.to_decide, whole.to_decide_slow) == (330_000, 540_000)

    def test_the_time_until_it_was_opened_counts_those_that_were(self) -> None:
        whole = measured(case(viewed_at=NOW - 50_000), case()).whole
        assert whole.to_view == 10_000

    @pytest.mark.parametrize(
        ("read_for", "share"), [(None, 0.0), (0, 0.0), (CONSIDERED_MS - 1, 0.0), (CONSIDERED_MS, 1.0)]
    )
    def test_considered_is_what_was_open_for_a_while(self, read_for: int | None, share: float) -> None:
        assert measured(case("p", vote(read_for=read_for))).whole.considered == share

    def test_nothing_tells_nothing(self) -> None:
        whole = measured().whole
        assert (whole.rejected, whole.considered, whole.to_decide) == (None, None, None)

    def test_by_policy_group_and_person_the_busiest_first(self) -> None:
        found = measured(
            case("small", vote("ana", group="a")),
            case("large", vote("bob", "reject", group="b"), vote("ana", group="a"), kind="reject"),
            case("large", vote("bob", group="b")),
        )
        assert [(line.name, line.asked) for line in found.policies] == [("large", 2), ("small", 1)]
        assert [(line.name, line.asked) for line in found.groups] == [("a", 2), ("b", 2)]
        assert [(person.name, person.answers, person.rejected) for person in found.people] == [
            ("ana", 2, 0.0),
            ("bob", 2, 0.5),
        ]

    def test_each_day_has_what_was_asked_and_decided_in_it(self) -> None:
        found = measured(case(opened_at=NOW - 2 * DAY_MS), case(opened_at=NOW - 1, state="pending"))
        assert [(day.asked, day.decided) for day in found.days] == [(1, 0), (1, 1)]

    def test_the_highest_bar_is_as_high_as_the_chart(self) -> None:
        bars = bars_of(measured(case(), case(), case(state="pending")).days)
        assert [bar.asked for bar in bars] == [0, 120]
        assert bars[1].decided == 80
        assert bars_of([]) == []

    def test_a_formula_is_no_formula_in_a_spreadsheet(self) -> None:
        assert [harmless(value) for value in ("=1+1", "@x", "plain", 3)] == ["'=1+1", "'@x", "plain", 3]


class TestRead:
    def test_a_request_with_its_answer_and_who_had_read_it(
        self, people: dict[str, User], ask: Callable[..., ApprovalRequest]
    ) -> None:
        since = now_ms() - DAY_MS
        request = ask()
        operations.approval_view(request, actor=people["bob"], channel="page", now=now_ms())
        operations.approval_decide(
            request.pk, actor=people["bob"], outcome="approve", channel="page", now=now_ms() + CONSIDERED_MS
        )
        (found,), is_cut = cases_of(since)
        assert not is_cut
        assert (found.state, found.kind, [v.actor for v in found.votes]) == ("decided", "approve", ["bob"])
        assert found.votes[0].is_considered
        assert "group:finance" in found.votes[0].matched

    def test_any_number_costs_the_same_queries(
        self, people: dict[str, User], ask: Callable[..., ApprovalRequest]
    ) -> None:
        counts = []
        for _ in range(2):
            ask()
            with CaptureQueriesContext(connection) as counted:
                cases_of(0)
            counts.append(len(counted))
        assert counts == [4, 4]


class TestPage:
    def test_it_is_for_those_who_may_see_every_request(self, people: dict[str, User], client: Client) -> None:
        client.force_login(people["bob"])
        assert client.get("/measures/").status_code == 403
        client.force_login(people["admin"])
        assert client.get("/measures/").status_code == 200

    def test_it_shows_figures_and_the_same_as_csv(
        self, people: dict[str, User], client: Client, ask: Callable[..., ApprovalRequest]
    ) -> None:
        operations.approval_decide(
            ask().pk, actor=people["bob"], outcome="reject", comment="no", channel="page", now=now_ms()
        )
        client.force_login(people["admin"])
        shown = client.get("/measures/?days=7").content.decode()
        assert "100 %" in shown
        assert "<svg" in shown
        lines = client.get("/measures/?table=people&format=csv").content.decode().splitlines()
        assert lines[0] == "name,answers,rejected,considered,to_answer"
        assert lines[1].startswith("bob,1,1.0,")

    def test_without_requests_it_says_so(self, people: dict[str, User], client: Client) -> None:
        client.force_login(people["admin"])
        assert "Nothing was asked" in client.get("/measures/?days=x&table=x&format=csv").content.decode()
