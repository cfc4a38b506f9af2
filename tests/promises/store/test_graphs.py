"""Canceling a call graph: one verb, one commit, everything below and nothing beside."""

from collections.abc import Callable
from typing import Any

import pytest

from promises import store
from promises.errors import BadRequest, Conflict, PromiseNotFound
from promises.values import Value
from tests.promises.fixtures import Sent
from tests.promises.making import NOW, acquire, create, create_acquired, create_suspended, create_task, rows, task


def states() -> dict[str, str]:
    return {row["id"]: row["state"].removeprefix("rejected_") for row in rows()["promise"]}


def test_everything_below_is_canceled_and_nothing_beside() -> None:
    for id in ("r", "r:1", "r:1.1", "r:10", "r.5", "r;", "rx:1", "q:1"):
        create(id)
    canceled = store.graph_cancel("r", Value.of("enough"), now=NOW)
    assert (canceled.state, canceled.value, canceled.settled_at) == ("rejected_canceled", Value.of("enough"), NOW)
    assert {id for id, state in states().items() if state == "canceled"} == {"r", "r:1", "r:1.1", "r:10"}


def test_below_a_call_only_its_own_part_is_canceled() -> None:
    for id in ("r", "r:1", "r:1.1", "r:1.1.1", "r:10", "r:1-x", "r:2"):
        create(id)
    store.graph_cancel("r:1", now=NOW)
    assert {id for id, state in states().items() if state == "canceled"} == {"r:1", "r:1.1", "r:1.1.1"}


def test_what_is_settled_stays_as_it_is() -> None:
    for id in ("r", "r:1", "r:2"):
        create(id)
    store.promise_settle("r:1", "resolved", Value.of(1), now=NOW)
    store.graph_cancel("r", now=NOW + 1)
    assert states() == {"r": "canceled", "r:1": "resolved", "r:2": "canceled"}


def test_an_execution_that_is_over_is_answered_and_left_alone() -> None:
    for id in ("r", "r:1"):
        create(id)
    store.promise_settle("r", "resolved", Value.of(1), now=NOW)
    assert store.graph_cancel("r", now=NOW).value == Value.of(1)
    assert states() == {"r": "resolved", "r:1": "pending"}


def test_canceling_again_cancels_what_is_left() -> None:
    create("r")
    first = store.graph_cancel("r", Value.of("first"), now=NOW)
    create("r:1")
    assert store.graph_cancel("r", Value.of("second"), now=NOW + 1) == first
    assert states() == {"r": "canceled", "r:1": "canceled"}


def test_what_is_past_its_deadline_is_timed_out_instead() -> None:
    create("r", timeout_at=NOW + 9)
    create("r:1", timeout_at=NOW + 5)
    create("r:2", timeout_at=NOW + 5, timer="true")
    store.graph_cancel("r", now=NOW + 5)
    assert states() == {"r": "canceled", "r:1": "timedout", "r:2": "resolved"}


def test_detached_calls_go_on_with_all_that_is_below_them() -> None:
    create("r")
    for id, detached in (("r:1", "r:1"), ("r:1.1", "r:1"), ("r:1.2", "r:1.2"), ("r:10", None)):
        store.promise_create(
            id, timeout_at=NOW + 9, now=NOW, tags={"countersign:detached": detached} if detached else {}
        )
    store.graph_cancel("r", now=NOW)
    assert states() == {"r": "canceled", "r:1": "pending", "r:1.1": "pending", "r:1.2": "pending", "r:10": "canceled"}
    store.graph_cancel("r:1", now=NOW)
    assert states()["r:1.1"] == "canceled"
    assert states()["r:1.2"] == "pending"  # detached from that one, too


def test_the_tasks_of_the_graph_are_fulfilled_and_none_of_them_wakes(sent: Sent) -> None:
    create_task("r:1", origin="r")
    create("r:1.1", origin="r")
    create_suspended("r", "r:1")
    store.task_suspend("r:1", acquire("r:1").task.version, ["r:1.1"], now=NOW)
    sent.clear()
    store.graph_cancel("r", now=NOW)
    assert (task("r")["state"], task("r:1")["state"]) == ("fulfilled", "fulfilled")
    assert (sent, rows()["callback"]) == ([], [])


def test_whoever_waits_outside_the_canceled_part_is_woken_and_told(
    sent: Sent, notified: Callable[[str], list[str]]
) -> None:
    notified("countersign_settled")
    create("r:1")
    create("r:1.1")
    create_suspended("r", "r:1")
    store.promise_register_listener("r:1.1", now=NOW)
    sent.clear()
    store.graph_cancel("r:1", now=NOW)
    assert task("r")["state"] == "pending"
    assert sent == [("default", "r", 1)]
    assert notified("countersign_settled") == ["r:1.1"]


def test_a_halted_execution_can_be_canceled() -> None:
    create_task("r")
    store.task_halt("r", "broken", now=NOW)
    store.graph_cancel("r", now=NOW)
    assert (task("r")["state"], task("r")["halt_reason"]) == ("fulfilled", "")


def test_what_is_not_there() -> None:
    with pytest.raises(PromiseNotFound):
        store.graph_cancel("missing", now=NOW)
    with pytest.raises(BadRequest):
        store.graph_cancel("", now=NOW)


class TestAsTheHolderOfALease:
    @pytest.fixture(autouse=True)
    def graph(self) -> None:
        create_acquired("r", origin="r")
        create_task("r:1", origin="r")
        create("r:1.1", origin="r")

    def test_it_cancels_a_child_and_what_is_below_it(self) -> None:
        assert store.task_fence_cancel("r", 1, "r:1", now=NOW).state == "rejected_canceled"
        assert states() == {"r": "pending", "r:1": "canceled", "r:1.1": "canceled"}

    @pytest.mark.parametrize("lost", [lambda: store.task_release("r", 1, now=NOW), lambda: _again("r")])
    def test_without_the_lease_nothing_happens(self, lost: Callable[[], Any]) -> None:
        lost()
        with pytest.raises(Conflict):
            store.task_fence_cancel("r", 1, "r:1", now=NOW)
        assert set(states().values()) == {"pending"}

    def test_its_own_promise_is_not_its_child(self) -> None:
        with pytest.raises(BadRequest):
            store.task_fence_cancel("r", 1, "r", now=NOW)


class TestContinue:
    @pytest.fixture(autouse=True)
    def graph(self) -> None:
        for id in ("r", "r:1", "r:1.1", "r:10", "r1"):
            create_task(id, origin=id.partition(":")[0])
            if id != "r:10":
                store.task_halt(id, "broken", now=NOW)

    def test_every_halted_task_of_the_graph_is_due_again_and_no_other(self, sent: Sent) -> None:
        sent.clear()
        assert store.graph_continue("r", now=NOW) == ["r", "r:1", "r:1.1"]
        assert {row["id"]: row["state"] for row in rows()["task"] if row["id"] != "r1"} == dict.fromkeys(
            ("r", "r:1", "r:1.1", "r:10"), "pending"
        )
        assert task("r1")["state"] == "halted"
        assert sent == [("default", id, 0) for id in ("r", "r:1", "r:1.1")]

    def test_of_a_call_only_its_own_part_goes_on(self) -> None:
        assert store.graph_continue("r:1", now=NOW) == ["r:1", "r:1.1"]

    def test_when_nothing_is_halted_it_is_refused(self) -> None:
        store.graph_continue("r", now=NOW)
        with pytest.raises(Conflict):
            store.graph_continue("r", now=NOW)
        with pytest.raises(PromiseNotFound):
            store.graph_continue("missing", now=NOW)

    def test_one_past_its_deadline_is_left_to_that(self) -> None:
        create_task("q", timeout_at=NOW + 5)
        store.task_halt("q", "broken", now=NOW)
        with pytest.raises(Conflict):
            store.graph_continue("q", now=NOW + 5)
        assert task("q")["state"] == "halted"


def _again(id: str) -> None:
    store.task_release(id, 1, now=NOW)
    acquire(id)
