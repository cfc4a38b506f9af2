"""The lists: what is in them, for whom, in which order, and at what cost."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from approvals import blocks, operations, queries
from approvals.durations import after
from approvals.models import ApprovalRequest
from approvals.policies import Policy, requester
from approvals.requirements import n_of
from promises.times import now_ms

People = dict[str, User]
Ask = Callable[..., ApprovalRequest]
HTMX = {"HTTP_HX_REQUEST": "true"}


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def titles(rows: Any) -> list[str]:
    return [row.title for row in rows]


def decide(request: ApprovalRequest, user: User, outcome: str = "approve") -> None:
    operations.approval_decide(request.pk, actor=user, outcome=outcome, comment="because", channel="page", now=now_ms())


# -- queries ---------------------------------------------------------------------------------------------------------


def test_the_inbox_has_what_one_can_decide_now(people: People, ask: Ask) -> None:
    ask("For finance")
    ask("For bob", to="user:bob")
    ask("For sre", to="group:sre")
    ask("For finance, later", to=Policy("p", stages=["group:sre", "group:finance"]))
    ask("Asked by bob", requester="bob", never=requester())
    ask("Not bob", never="user:bob")
    ask("Over", timeout=after("1s", then="reject"), now=now_ms() - 60_000)
    assert titles(queries.inbox(people["bob"], now_ms())) == ["For finance", "For bob"]


def claim(request: ApprovalRequest, user: User) -> ApprovalRequest:
    return operations.approval_claim(request.pk, actor=user, channel="page", now=now_ms())


def queue(user: User) -> list[str]:
    return titles(queries.page_of_requests(queries.queue_rows(user, now_ms()), 0, 10))


def test_what_is_claimed_leaves_the_inbox_of_the_others_and_stays_in_the_queue(people: People, ask: Ask) -> None:
    claim(ask("For finance"), people["bob"])
    inboxes = {name: titles(queries.inbox(people[name], now_ms())) for name in ("bob", "carol")}
    assert inboxes == {"bob": ["For finance"], "carol": []}
    assert queue(people["bob"]) == queue(people["carol"]) == ["For finance"]
    later = now_ms() + 5 * 3_600_000  # the claim has lapsed
    assert titles(queries.inbox(people["carol"], later)) == ["For finance"]


def test_the_queue_is_what_ones_teams_are_asked_now(people: People, ask: Ask) -> None:
    ask("For finance")
    ask("For bob", to="user:bob")
    ask("For sre", to="group:sre")
    ask("Not bob", never="user:bob")
    ask("Over", timeout=after("1s", then="reject"), now=now_ms() - 60_000)
    decide(ask("Decided"), people["bob"])
    assert queue(people["bob"]) == ["For finance", "Not bob"]


def test_reasons_say_as_whom_one_can_decide(people: People, ask: Ask) -> None:
    by_name, by_group, barred = ask("For bob", to="user:bob"), ask("For finance"), ask("Not bob", never="user:bob")
    found = queries.reasons(queries.inbox_rows(people["bob"], now_ms()), [by_name, by_group, barred])
    assert found == {by_name.pk: ["user:bob"], by_group.pk: ["group:finance"]}


def test_what_is_due_comes_first(people: People, ask: Ask) -> None:
    ask("whenever")
    ask("tomorrow", timeout=after("1d", then="reject"))
    ask("soon", timeout=after("1h", then="reject"))
    assert titles(queries.inbox(people["bob"], now_ms())) == ["soon", "tomorrow", "whenever"]


def test_a_permission_brings_requests_too(people: People, ask: Ask) -> None:
    ask("For holders", to="permission:auth.view_group")
    people["dave"].user_permissions.add(Permission.objects.get(codename="view_group"))
    dave = User.objects.get(username="dave")
    assert titles(queries.inbox(dave, now_ms())) == ["For holders"]
    assert titles(queries.inbox(people["erin"], now_ms())) == []


def test_what_one_has_answered_waits_for_others_until_it_is_done(people: People, ask: Ask) -> None:
    request = ask("Two of sre", to=n_of(2, "group:sre"))
    decide(request, people["dave"])
    assert titles(queries.inbox(people["dave"], now_ms())) == []
    assert titles(queries.waiting(people["dave"])) == ["Two of sre"]
    assert titles(queries.waiting(people["ana"])) == ["Two of sre"]
    decide(request, people["erin"])
    assert titles(queries.waiting(people["dave"])) == []
    assert [titles(queries.archive(people[name])) for name in ("dave", "erin", "ana", "frank")] == [
        ["Two of sre"],
        ["Two of sre"],
        ["Two of sre"],
        [],
    ]


def test_a_second_stage_comes_to_those_it_asks(people: People, ask: Ask) -> None:
    request = ask("Staged", to=Policy("p", stages=["group:sre", "group:finance"]))
    decide(request, people["erin"])
    assert titles(queries.inbox(people["bob"], now_ms())) == ["Staged"]
    assert titles(queries.inbox(people["dave"], now_ms())) == []


def test_who_may_see_a_request_and_its_execution(people: People, ask: Ask) -> None:
    request = ask()
    seen = {name for name, user in people.items() if queries.can_see(user, request, now_ms())}
    runs = {name for name, user in people.items() if queries.can_see_execution(user, request.execution_id, "ana")}
    assert seen == runs == {"ana", "bob", "carol", "admin"}
    decide(request, people["bob"])
    assert queries.can_see(people["carol"], request, now_ms())


def test_requests_say_whom_they_wait_for_in_one_query(people: People, ask: Ask, django_assert_num_queries: Any) -> None:
    rows = [ask(f"{n}", to=n_of(2, "group:sre")) for n in range(5)]
    with django_assert_num_queries(1):
        found = queries.waits_for(rows)
    assert [(p.have, p.need) for progress in found.values() for p in progress] == [(0, 2)] * 5


# -- pages -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/?list=queue", "/?list=waiting", "/?list=done", "/?part=news"])
def test_the_lists_need_a_sign_in(db: None, path: str) -> None:
    response = Client().get(path)
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/?next=")


def test_a_row_says_what_how_much_who_asks_and_until_when(people: People, ask: Ask) -> None:
    ask("Pay 12.50 to ana?", show=[blocks.metric("Total", "12.50", "€")], timeout=after("30min", then="reject"))
    text = signed_in(people["bob"]).get("/").content.decode()
    for expected in ("Pay 12.50 to ana?", "12.50 €", "ana", "finance", "asked of finance", "then: Reject", "(1) Inbox"):
        assert expected in text


def test_each_list_has_its_own_words_when_it_is_empty(people: People) -> None:
    client = signed_in(people["bob"])
    assert "Nothing waits for you." in client.get("/").content.decode()
    assert "Your teams are asked nothing." in client.get("/?list=queue").content.decode()
    assert "Nothing waits on others." in client.get("/?list=waiting").content.decode()
    assert "Nothing is done yet." in client.get("/?list=done").content.decode()


def test_an_empty_inbox_shows_what_was_decided_today(people: People, ask: Ask) -> None:
    decide(ask("Pay 12.50?"), people["bob"])
    text = signed_in(people["bob"]).get("/").content.decode()
    assert "Nothing waits for you." in text
    assert "Pay 12.50?" in text


def test_only_little_risk_can_be_approved_from_the_list(people: People, ask: Ask) -> None:
    ask("A small thing", risk="low")
    ask("A large thing", risk="high")
    text = signed_in(people["bob"]).get("/").content.decode()
    assert text.count('name="from" value="list"') == 1


def test_approving_from_the_list_goes_on_with_the_list(people: People, ask: Ask) -> None:
    first, _second = ask("First", risk="low"), ask("Second", risk="low")
    sent = {"outcome": "approve", "from": "list", "digest": first.digest, "stage": 0}
    text = signed_in(people["bob"]).post(f"/approvals/{first.pk}/", sent, **HTMX).content.decode()
    assert text.strip().startswith('<div id="lists"')
    assert "Approve: First" in text
    assert "Second" in text
    plain = signed_in(people["carol"]).post(f"/approvals/{_second.pk}/", sent | {"digest": _second.digest})
    assert (plain.status_code, plain["Location"]) == (302, "/")


def test_a_request_is_claimed_and_released_from_the_queue(people: People, ask: Ask) -> None:
    request = ask("Pay 12.50?")
    bob, carol = signed_in(people["bob"]), signed_in(people["carol"])
    claimed = bob.post(f"/approvals/{request.pk}/claim/?list=queue&page=1")
    assert (claimed.status_code, claimed["Location"]) == (302, "/?list=queue&page=1")
    assert "claimed by you" in bob.get("/?list=queue").content.decode()
    seen = carol.get("/?list=queue").content.decode()
    assert "claimed by bob" in seen
    assert f"/approvals/{request.pk}/claim/" not in seen
    text = bob.post(f"/approvals/{request.pk}/release/?list=queue", **HTMX).content.decode()
    assert text.strip().startswith('<div id="lists"')
    assert "Released: Pay 12.50?" in text
    assert f"/approvals/{request.pk}/claim/?list=queue" in text


def test_a_claim_that_comes_too_late_says_who_was_first(people: People, ask: Ask) -> None:
    request = claim(ask(), people["bob"])
    carol = signed_in(people["carol"])
    text = carol.post(f"/approvals/{request.pk}/claim/?list=queue", follow=True).content.decode()
    assert "bob has claimed this" in text
    request.refresh_from_db()
    assert request.claimed_by == "bob"


@pytest.mark.parametrize("verb", ["claim", "release"])
def test_only_a_post_of_somebody_signed_in_claims_or_releases(people: People, ask: Ask, verb: str) -> None:
    path = f"/approvals/{ask().pk}/{verb}/?list=queue"
    assert signed_in(people["bob"]).get(path).status_code == 405
    response = Client().post(path)
    assert (response.status_code, response["Location"]) == (302, "/accounts/login/?next=/")


def test_the_bar_tells_how_many_are_new(people: People, ask: Ask) -> None:
    client = signed_in(people["bob"])
    before = now_ms() - 1
    assert "newbar" not in client.get(f"/?part=news&since={before}").content.decode()
    ask("One")
    ask("Two")
    assert "2 new requests" in client.get(f"/?part=news&since={before}").content.decode()
    for nonsense in ("", "x", "-1", "9" * 40):
        assert client.get(f"/?part=news&since={nonsense}").status_code == 200


def test_long_lists_have_pages(people: People, ask: Ask) -> None:
    for number in range(52):
        ask(f"Request {number}?")
    client = signed_in(people["bob"])
    first, second = client.get("/").content.decode(), client.get("/?page=2").content.decode()
    assert (first.count("data-item"), second.count("data-item")) == (30, 22)
    assert client.get("/?page=nonsense").status_code == 200


def test_a_list_costs_the_same_however_long_it_is(people: People, ask: Ask, django_assert_max_num_queries: Any) -> None:
    client = signed_in(people["bob"])
    for number in range(30):
        ask(f"Request {number}?", to=n_of(2, "group:finance"))
    for path in ("/", "/?list=queue", "/?list=waiting", "/?list=done"):
        with django_assert_max_num_queries(14):
            assert client.get(path).status_code == 200


def test_a_title_is_text_and_never_markup(people: People, ask: Ask) -> None:
    request = ask("<script>alert(1)</script>", risk="low", requester="<b>ana</b>")
    for path in ("/", f"/approvals/{request.pk}/"):
        text = signed_in(people["bob"]).get(path).content.decode()
        assert "<script>alert" not in text
        assert "<b>ana" not in text
