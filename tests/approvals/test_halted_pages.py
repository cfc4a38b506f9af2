"""A halted run on the pages: it catches the eye, says what to do, and goes on when an operator says why."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from promises import store
from promises.queries import halted_in
from promises.times import now_ms
from tests.approvals.test_runs_pages import People, listed, run_create, signed_in, text_of

REASON = "NonDeterminism: r:2 is recorded as 'pay', but the code now asks for 'refund'."


@pytest.fixture
def halted(people: People) -> None:
    """`r` of ana's: a call that it made is halted."""
    run_create("r")
    run_create("other")
    tags = {"resonate:target": "celery://default", "resonate:origin": "r", "resonate:parent": "r"}
    store.promise_create("r:2", timeout_at=now_ms() + 60_000, now=now_ms(), tags=tags | {"countersign:func": "pay"})
    store.task_halt("r:2", REASON, now=now_ms())


@pytest.fixture
def operator(people: People) -> Client:
    return signed_in(people["admin"])


pytestmark = pytest.mark.usefixtures("halted")


def continue_(client: Client, reason: str) -> str:
    return text_of(client.post("/runs/r/continue/", {"reason": reason}, follow=True))


def test_the_list_says_that_something_is_halted_and_finds_it(people: People) -> None:
    ana = signed_in(people["ana"])
    page = ana.get("/runs/")
    assert "1 run is halted: somebody has to look." in text_of(page)
    assert 'href="?state=halted"' in page.content.decode()
    assert "r:2: NonDeterminism" in text_of(page)
    assert listed(ana, "?state=halted") == ["r"]
    assert "somebody has to look" not in text_of(ana.get("/runs/?state=halted"))


def test_who_cannot_see_the_run_is_told_nothing(people: People) -> None:
    assert "halted:" not in text_of(signed_in(people["dave"]).get("/runs/"))


def test_the_run_shows_the_reason_and_what_to_do(people: People, operator: Client) -> None:
    for client in (signed_in(people["ana"]), operator):
        page = text_of(client.get("/runs/r/"))
        assert "Halted: somebody has to look." in page
        assert REASON in page
        assert "with the change as a new version" in page
    assert "Continue the run" in text_of(operator.get("/runs/r/"))
    assert "Continue the run" not in text_of(signed_in(people["ana"]).get("/runs/r/"))


def test_an_operator_continues_it_and_says_why(operator: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "workflows.halts")
    page = continue_(operator, "2.1 is rolled back")
    assert "The run goes on." in page
    assert "Halted" not in page
    assert halted_in(["r"]) == {}
    assert "admin continued r:2: 2.1 is rolled back" in caplog.text
    assert "continued: 2.1 is rolled back" in operator.get("/admin/promises/task/r_3A2/history/").content.decode()
    assert "Nothing of the run is halted any more." in continue_(operator, "again")


def test_a_permission_is_enough(people: People) -> None:
    people["ana"].user_permissions.add(Permission.objects.get(codename="change_task"))
    assert "The run goes on." in continue_(signed_in(people["ana"]), "mended")


@pytest.mark.parametrize("reason", ["", "  "])
def test_without_a_reason_it_stays_halted(operator: Client, reason: str) -> None:
    assert "Say what was mended" in continue_(operator, reason)
    assert list(halted_in(["r"])) == ["r"]


def test_who_started_it_may_not_continue_it(people: People) -> None:
    assert "may change tasks" in continue_(signed_in(people["ana"]), "please")
    assert list(halted_in(["r"])) == ["r"]


def test_who_may_not_see_it_finds_nothing(people: People) -> None:
    people["dave"].user_permissions.add(Permission.objects.get(codename="change_task"))
    assert signed_in(User.objects.get(username="dave")).post("/runs/r/continue/", {"reason": "x"}).status_code == 404


def test_continuing_wants_a_form_of_this_site(operator: Client, people: People) -> None:
    assert operator.get("/runs/r/continue/").status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(people["admin"])
    assert strict.post("/runs/r/continue/", {"reason": "x"}).status_code == 403
