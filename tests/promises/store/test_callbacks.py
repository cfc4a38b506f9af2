"""promise.register_callback and promise.register_listener, in the order of their guards."""

import pytest
from django.test import override_settings

from promises import store
from promises.errors import BadRequest, PromiseNotFound, Unprocessable
from tests.promises.fixtures import Sent
from tests.promises.making import NOW, create, create_acquired, create_suspended, create_task, rows, task


def test_registering_a_callback() -> None:
    create("r:1")
    create_task("r")
    promise = store.promise_register_callback("r:1", "r", now=NOW)
    assert (promise.id, promise.state) == ("r:1", "pending")
    assert [(c["awaited"], c["awaiter"]) for c in rows()["callback"]] == [("r:1", "r")]


def test_registering_it_again_stores_it_once() -> None:
    create("r:1")
    create_task("r")
    for _ in range(2):
        store.promise_register_callback("r:1", "r", now=NOW)
    assert len(rows()["callback"]) == 1


def test_on_a_settled_promise_nothing_is_stored() -> None:
    create("r:1")
    create_task("r")
    settled = store.promise_settle("r:1", "resolved", now=NOW)
    assert store.promise_register_callback("r:1", "r", now=NOW) == settled
    assert rows()["callback"] == []


def test_on_a_settled_promise_a_suspended_awaiter_is_woken(sent: Sent) -> None:
    create("r:1")
    create("r:2")
    store.promise_settle("r:2", "resolved", now=NOW)
    version = create_suspended("r", "r:1")
    store.promise_register_callback("r:2", "r", now=NOW)
    assert (task("r")["state"], task("r")["resumes"]) == ("pending", 1)
    assert sent[-1] == ("default", "r", version)


def test_an_awaiter_past_its_deadline_gets_no_callback() -> None:
    create("r:1")
    create_task("r", timeout_at=NOW + 5)
    store.promise_register_callback("r:1", "r", now=NOW + 5)
    assert rows()["callback"] == []


def test_an_awaited_promise_past_its_deadline_is_settled_by_the_way(sent: Sent) -> None:
    create("r:1", timeout_at=NOW + 5)
    create("r:2")
    create_suspended("r", "r:2")
    assert store.promise_register_callback("r:1", "r", now=NOW + 5).state == "rejected_timedout"
    assert task("r")["state"] == "pending"
    assert len(sent) == 2


@pytest.mark.parametrize(("awaited", "awaiter"), [("", "r"), ("r:1", ""), ("r", "r"), ("\x00", "r")])
def test_400_malformed_or_itself(awaited: str, awaiter: str) -> None:
    with pytest.raises(BadRequest):
        store.promise_register_callback(awaited, awaiter, now=NOW)


@pytest.mark.parametrize(
    ("awaited", "awaiter"),
    [({"id": "a:1"}, "b"), ({"id": "a"}, "b"), ({"id": "b:1", "origin": "b:1"[:1]}, "c")],
)
def test_400_another_origin(awaited: dict[str, str], awaiter: str) -> None:
    create(**awaited)
    create_task(awaiter)
    with pytest.raises(BadRequest, match="origin"):
        store.promise_register_callback(awaited["id"], awaiter, now=NOW)


def test_another_origin_is_accepted_where_the_setting_says_so() -> None:
    create("a")
    create_task("b")
    with override_settings(PROMISES={"SAME_ORIGIN": False}):
        store.promise_register_callback("a", "b", now=NOW)
    assert len(rows()["callback"]) == 1


def test_404_awaited_missing_comes_before_422_awaiter_missing() -> None:
    with pytest.raises(PromiseNotFound):
        store.promise_register_callback("r:1", "r", now=NOW)


def test_422_awaiter_missing_or_without_a_target_or_awaited_internal() -> None:
    create("r:1")
    with pytest.raises(Unprocessable, match="Awaiter not found"):
        store.promise_register_callback("r:1", "r", now=NOW)
    create("r")
    with pytest.raises(Unprocessable, match="no target"):
        store.promise_register_callback("r:1", "r", now=NOW)
    create("s:1", scope="local")
    create_task("s")
    with pytest.raises(Unprocessable, match="not awaitable"):
        store.promise_register_callback("s:1", "s", now=NOW)


def test_a_refusal_loses_no_wake_up(sent: Sent) -> None:
    create("r:1", timeout_at=NOW + 5)
    create_suspended("r", "r:1")
    sent.clear()
    with pytest.raises(Unprocessable):
        store.promise_register_callback("r:1", "r:missing", now=NOW + 5)  # applies the deadline on the way
    assert [id for _, id, _ in sent] == ["r"]


def test_registering_a_listener() -> None:
    create("p")
    assert store.promise_register_listener("p", now=NOW).state == "pending"
    assert [(x["awaited"], x["address"]) for x in rows()["listener"]] == [("p", "notify:settled")]


def test_a_settled_promise_stores_no_listener() -> None:
    create("p", timeout_at=NOW + 5)
    assert store.promise_register_listener("p", now=NOW + 5).state == "rejected_timedout"
    assert rows()["listener"] == []


def test_the_guards_of_a_listener() -> None:
    with pytest.raises(BadRequest):
        store.promise_register_listener("missing", "nowhere", now=NOW)
    with pytest.raises(PromiseNotFound):
        store.promise_register_listener("missing", now=NOW)
    create("p:1", scope="local")
    with pytest.raises(Unprocessable):
        store.promise_register_listener("p:1", now=NOW)


def test_callbacks_of_an_earlier_suspend_stay(sent: Sent) -> None:
    create("r:1")
    create("r:2")
    create_suspended("r", "r:1", "r:2")
    store.promise_settle("r:1", "resolved", now=NOW)
    version = store.task_acquire("r", None, pid="x", ttl=1000, now=NOW).task.version
    store.promise_settle("r:2", "resolved", now=NOW)
    assert task("r")["resumes"] == 1
    assert [p.id for p in store.task_suspend("r", version, ["r:2"], now=NOW)] == ["r:2"]
    assert create_acquired("other") == 1
