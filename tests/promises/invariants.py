"""The invariants of the protocol (section 16 of its summary), checked on a snapshot of the store's tables, and on what
changed since the snapshot before."""

from typing import Any

from promises.states import TASK_TRANSITIONS

Rows = dict[str, list[dict[str, Any]]]
LIVE = {"pending", "acquired", "suspended", "halted"}
BORN = ("param_headers", "param_data", "tags", "timeout_at", "created_at", "is_root")


def check(rows: Rows, now: int) -> None:
    """Raise AssertionError unless every invariant of a single moment holds."""
    promises = {row["id"]: row for row in rows["promise"]}
    tasks = {row["id"]: row for row in rows["task"]}
    for promise in promises.values():
        check_promise(promise, now)
        assert ("resonate:target" in promise["tags"]) == (promise["id"] in tasks), promise
    for task in tasks.values():
        check_task(task, promises[task["id"]], rows, now)
    for callback in rows["callback"]:
        assert promises[callback["awaited"]]["state"] == "pending", callback
        assert callback["awaiter"] != callback["awaited"], callback
        assert callback["awaiter"] in tasks, callback
    for listener in rows["listener"]:
        assert promises[listener["awaited"]]["state"] == "pending", listener


def check_promise(promise: dict[str, Any], now: int) -> None:
    is_pending = promise["state"] == "pending"
    has_value = promise["value_data"] is not None or promise["value_headers"] is not None
    assert is_pending == (promise["settled_at"] is None), promise
    assert promise["created_at"] <= promise["timeout_at"], promise
    if is_pending:
        assert not has_value, promise
        assert promise["created_at"] < promise["timeout_at"], promise
    else:
        assert promise["created_at"] <= promise["settled_at"] <= promise["timeout_at"], promise
        assert promise["settled_at"] <= now, promise
    if promise["state"] == "rejected_timedout":
        assert promise["settled_at"] == promise["timeout_at"], promise
        assert not has_value, promise
        assert promise["tags"].get("resonate:timer") != "true", promise


def check_task(task: dict[str, Any], promise: dict[str, Any], rows: Rows, now: int) -> None:
    state = task["state"]
    assert (promise["state"] != "pending") == (state == "fulfilled"), task
    assert (state == "acquired") == (task["pid"] is not None) == (task["ttl"] is not None), task
    assert (state in ("pending", "acquired")) == (task["due_at"] is not None), task
    assert bool(task["halt_reason"]) <= (state == "halted"), task
    assert task["target"] == promise["tags"]["resonate:target"], task
    if state == "acquired":
        assert task["version"] >= 1, task
    if state == "suspended":
        assert task["resumes"] == 0, task
        awaited = {c["awaited"] for c in rows["callback"] if c["awaiter"] == task["id"]}
        assert awaited or promise["timeout_at"] <= now, task


def check_change(before: Rows, after: Rows) -> None:
    """Raise AssertionError unless what happened between two snapshots of neighbouring verbs is allowed."""
    promises = {row["id"]: row for row in after["promise"]}
    for old in before["promise"]:
        new = promises[old["id"]]
        if old["state"] != "pending":
            assert new == old, (old, new)
        assert all(new[key] == old[key] for key in BORN), (old, new)
    tasks = {row["id"]: row for row in after["task"]}
    for old in before["task"]:
        new = tasks[old["id"]]
        allowed = {to for (state, _), to in TASK_TRANSITIONS.items() if state == old["state"]}
        assert new["state"] in allowed | {old["state"]}, (old, new)
        was_acquired = (old["state"], new["state"]) == ("pending", "acquired")
        assert new["version"] == old["version"] + was_acquired, (old, new)


def check_message(message: tuple[str, str, int], rows: Rows) -> None:
    """Raise AssertionError unless an `execute` message names a live task, its queue and no future version."""
    queue, id, version = message
    (task,) = [row for row in rows["task"] if row["id"] == id]
    assert task["state"] in LIVE, (message, task)
    assert task["target"] == f"celery://{queue}", (message, task)
    assert version <= task["version"], (message, task)
