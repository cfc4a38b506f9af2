"""The admin of the store: an operator changes limits while everything runs, halts, continues and cancels."""

from dataclasses import replace

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from promises import store
from promises.models import Limit, Task
from promises.records import NewSchedule
from promises.times import NEVER, now_ms
from promises.values import Value
from tests.promises.making import create, create_task, task

pytestmark = pytest.mark.django_db
ADD = "/admin/promises/limit/add/"


def change(admin_client: Client, **fields: str) -> str:
    """Post the form of workflow:f; the page that answers, "" when it was saved."""
    answer = admin_client.post("/admin/promises/limit/workflow_3Af/change/", fields)
    return "" if answer.status_code == 302 else answer.content.decode()


def test_a_limit_that_an_operator_makes_is_his(admin_client: Client) -> None:
    form = {"key": "workflow:f", "concurrency": "3", "rate": "5/2h", "is_overridden": "on"}
    assert admin_client.post(ADD, form).status_code == 302
    limit = Limit.objects.get()
    assert (limit.concurrency, limit.rate, limit.period_ms, limit.tokens, limit.is_overridden) == (
        3,
        5,
        7_200_000,
        5,
        True,
    )


def test_it_is_shown_as_it_is_written(admin_client: Client) -> None:
    Limit.objects.create(key="workflow:f", rate=5, period_ms=7_200_000, tokens=1)
    assert "5/2h" in admin_client.get("/admin/promises/limit/").content.decode()
    assert 'value="5/2h"' in admin_client.get("/admin/promises/limit/workflow_3Af/change/").content.decode()


def test_it_can_be_changed_and_taken_away(admin_client: Client) -> None:
    Limit.objects.create(key="workflow:f", rate=5, period_ms=1000, tokens=1)
    assert change(admin_client, concurrency="1", rate="", is_overridden="on") == ""
    limit = Limit.objects.get()
    assert (limit.concurrency, limit.rate, limit.period_ms) == (1, None, None)


@pytest.mark.parametrize(("field", "value"), [("rate", "fast"), ("concurrency", "-1")])
def test_what_makes_no_sense_is_refused_with_the_reason(admin_client: Client, field: str, value: str) -> None:
    Limit.objects.create(key="workflow:f", concurrency=2)
    form = {"concurrency": "2", "rate": "", "is_overridden": "on", field: value}
    assert "write a number" in (page := change(admin_client, **form)) or "whole number" in page
    assert Limit.objects.get().concurrency == 2


def test_a_key_says_what_is_limited(admin_client: Client) -> None:
    answer = admin_client.post(ADD, {"key": "everything", "concurrency": "1"})
    assert answer.status_code == 200
    assert not Limit.objects.exists()


def act(client: Client, model: str, action: str, *ids: str, reason: str = "") -> str:
    """Choose rows of a list and an action; what the page says after it."""
    sent = {"action": action, "reason": reason, "_selected_action": list(ids)}
    return client.post(f"/admin/promises/{model}/", sent, follow=True).content.decode()


@pytest.mark.parametrize(
    "model", ["promise", "task", "callback", "listener", "schedule", "outgoingmessage", "process", "limit"]
)
def test_every_table_can_be_looked_at(admin_client: Client, model: str) -> None:
    create_task("r")
    assert admin_client.get(f"/admin/promises/{model}/").status_code == 200


def test_halted_tasks_are_found_with_their_reason_and_continued_with_another(admin_client: Client) -> None:
    for id in ("r", "q"):
        create_task(id, now=now_ms())
    store.task_halt("r", "NonDeterminism: the code has changed", now=now_ms())
    page = admin_client.get("/admin/promises/task/?state=halted").content.decode()
    assert "NonDeterminism: the code has changed" in page
    assert "/admin/promises/task/q/" not in page
    assert "“r”: continued" in act(admin_client, "task", "continue_selected", "r", reason="deployed 2.1")
    assert task("r")["state"] == "pending"
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == ["continued: deployed 2.1"]


def test_halting_names_who_and_why(admin_client: Client) -> None:
    create_task("r", now=now_ms())
    act(admin_client, "task", "halt_selected", "r", reason="it floods the bank")
    assert (task("r")["state"], task("r")["halt_reason"]) == ("halted", "Halted by admin: it floods the bank")


@pytest.mark.parametrize("action", ["continue_selected", "halt_selected"])
def test_without_a_reason_nothing_happens(admin_client: Client, action: str) -> None:
    create_task("r", now=now_ms())
    assert "Say why" in act(admin_client, "task", action, "r", reason=" ")
    assert task("r")["state"] == "pending"
    assert not LogEntry.objects.exists()


def test_continuing_what_is_not_halted_says_so(admin_client: Client) -> None:
    create_task("r", now=now_ms())
    assert "Task is not halted" in act(admin_client, "task", "continue_selected", "r", reason="once more")


def test_halting_and_continuing_want_a_permission(client: Client) -> None:
    create_task("r", now=now_ms())
    viewer = User.objects.create_user("vera", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_task"))
    client.force_login(viewer)
    act(client, "task", "halt_selected", "r", reason="because")
    assert Task.objects.get().state == "pending"


def test_canceling_a_promise_cancels_what_is_below_it(admin_client: Client) -> None:
    for id in ("r", "r:1", "r:1.1", "q"):
        create(id, now=now_ms())
    act(admin_client, "promise", "cancel_selected", "r")
    pending = [id for id in ("r", "r:1", "r:1.1", "q") if store.promise_get(id, now=now_ms()).is_pending]
    assert pending == ["q"]


class TestSchedules:
    @pytest.fixture(autouse=True)
    def schedules(self) -> None:
        nightly = NewSchedule(
            id="nightly",
            cron="0 3 * * *",
            promise_timeout=NEVER,
            promise_param=Value.of({"func": "report"}),
            promise_tags={"resonate:target": "celery://default", "countersign:func": "report"},
        )
        store.schedules_declare([replace(nightly, id="written")], now=now_ms())
        store.schedule_create(nightly, now=now_ms())

    def test_they_are_shown_and_not_edited(self, admin_client: Client) -> None:
        page = admin_client.get("/admin/promises/schedule/").content.decode()
        assert "0 3 * * *" in page
        detail = admin_client.get("/admin/promises/schedule/nightly/change/")
        assert "report" in detail.content.decode()
        assert admin_client.post("/admin/promises/schedule/nightly/change/", {"cron": "x"}).status_code == 403

    def test_one_is_paused_and_resumed_with_a_reason(self, admin_client: Client) -> None:
        assert "Say why" in act(admin_client, "schedule", "pause_selected", "nightly")
        act(admin_client, "schedule", "pause_selected", "nightly", reason="month-end")
        assert store.schedule_get("nightly").pause_reason == "month-end"
        assert "month-end" in admin_client.get("/admin/promises/schedule/?paused_at__isempty=0").content.decode()
        act(admin_client, "schedule", "resume_selected", "nightly", reason="closed")
        assert store.schedule_get("nightly").paused_at is None
        entries = LogEntry.objects.order_by("pk")
        assert [entry.get_change_message() for entry in entries] == ["paused: month-end", "resumed: closed"]

    def test_one_is_deleted_unless_the_code_declares_it(self, admin_client: Client) -> None:
        page = act(admin_client, "schedule", "delete_schedules", "nightly", "written", reason="nobody reads it")
        assert "“nightly”: deleted" in page
        assert "pause it" in page
        assert [schedule.id for schedule in store.schedule_search()] == ["written"]

    def test_each_wants_its_permission(self, client: Client) -> None:
        viewer = User.objects.create_user("vera", is_staff=True)
        viewer.user_permissions.add(Permission.objects.get(codename="view_schedule"))
        client.force_login(viewer)
        for action in ("pause_selected", "delete_schedules"):
            act(client, "schedule", action, "nightly", reason="because")
        assert store.schedule_get("nightly").paused_at is None
