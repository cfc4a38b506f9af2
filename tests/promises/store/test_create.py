"""promise.create and promise.get: works, repeated, born settled, malformed, missing."""

import pytest

from promises import store
from promises.errors import BadRequest, PromiseNotFound
from promises.records import PromiseRecord
from promises.states import PromiseState
from promises.times import NEVER
from promises.values import Value
from tests.promises.fixtures import Sent
from tests.promises.making import NOW, RETRY, create, create_suspended, create_task, rows, task


def test_creating_a_promise(sent: Sent) -> None:
    param = Value({"a": "b"}, "eyJhIjoxfQ==")
    promise, created = store.promise_create("p", timeout_at=NOW + 5, now=NOW, param=param, tags={"k": "v"})
    assert created
    assert promise == PromiseRecord("p", "pending", param, Value(), {"k": "v"}, NOW + 5, NOW, None)
    assert store.promise_get("p", now=NOW) == promise
    assert rows()["task"] == []
    assert sent == []


def test_creating_it_again_changes_nothing() -> None:
    first = create("p", timeout_at=NOW + 5, param=Value.of(1))
    again, created = store.promise_create("p", timeout_at=NOW + 9, now=NOW + 1, param=Value.of(2), tags={"k": "v"})
    assert (again, created) == (first, False)


def test_creating_a_settled_one_again_tells_how_it_ended() -> None:
    create("p")
    settled = store.promise_settle("p", "resolved", Value.of(1), now=NOW + 1)
    assert store.promise_create("p", timeout_at=NEVER, now=NOW + 2) == (settled, False)


def test_creating_one_again_past_its_deadline_applies_the_deadline(sent: Sent) -> None:
    create("w:1", timeout_at=NOW + 5)
    version = create_suspended("w", "w:1")
    again, created = store.promise_create("w:1", timeout_at=NEVER, now=NOW + 5)
    assert (again.state, again.settled_at, created) == ("rejected_timedout", NOW + 5, False)
    assert task("w")["state"] == "pending"
    assert sent[-1] == ("default", "w", version)


def test_a_target_makes_a_task_and_sends_its_execute_message(sent: Sent) -> None:
    create("p", target="celery://slow")
    row = task("p")
    assert (row["state"], row["version"], row["due_at"], row["target"]) == (
        "pending",
        0,
        NOW + RETRY,
        "celery://slow",
    )
    assert sent == [("slow", "p", 0)]


def test_a_repeated_create_sends_no_second_message(sent: Sent) -> None:
    create_task("p")
    create_task("p")
    assert len(sent) == 1


@pytest.mark.parametrize("late", [0, 1, 1000])
def test_at_or_past_its_deadline_a_promise_is_born_timed_out(late: int, sent: Sent) -> None:
    promise = create_task("p", timeout_at=NOW - late)
    assert (promise.state, promise.created_at, promise.settled_at) == (
        "rejected_timedout",
        NOW - late,
        NOW - late,
    )
    assert promise.value == Value()
    assert (task("p")["state"], task("p")["due_at"]) == ("fulfilled", None)
    assert sent == []


def test_a_timer_is_born_resolved_at_its_deadline() -> None:
    assert create("p", timeout_at=NOW, timer="true").state == "resolved"


def test_only_the_word_true_makes_a_timer() -> None:
    assert create("p", timeout_at=NOW, timer="yes").state == "rejected_timedout"


def test_the_task_of_a_timer_is_not_dispatched_before_the_deadline(sent: Sent) -> None:
    create_task("p", timeout_at=NOW + 100_000, timer="true")
    assert task("p")["due_at"] == NOW + 100_000 + RETRY
    assert sent == []


def test_a_delayed_task_is_first_dispatched_at_its_instant(sent: Sent) -> None:
    create_task("p", delay=str(NOW + 700))
    assert (task("p")["due_at"], sent) == (NOW + 700, [])
    store.timeouts_sweep(NOW + 699)
    assert sent == []
    store.timeouts_sweep(NOW + 700)
    assert (sent, task("p")["due_at"]) == ([("default", "p", 0)], NOW + 700 + RETRY)


def test_a_delay_that_is_over_delays_nothing(sent: Sent) -> None:
    create_task("p", delay=str(NOW))
    assert sent == [("default", "p", 0)]


@pytest.mark.parametrize("id", ["", "a\x00b", "a\nb", "\x7f", "x" * 513, "\ud800", None, 7])
def test_a_malformed_id_is_refused(id: str) -> None:
    with pytest.raises(BadRequest):
        store.promise_create(id, timeout_at=NEVER, now=NOW)


@pytest.mark.parametrize("id", ["x" * 512, "ä é 語 🎉", "a/b?c#d%", "a.b:1.2"])
def test_other_ids_are_kept_to_the_letter(id: str) -> None:
    create(id)
    assert store.promise_get(id, now=NOW).id == id


@pytest.mark.parametrize("timeout_at", [-1, NEVER + 1, 1.5, "7", None, True])
def test_a_malformed_deadline_is_refused(timeout_at: int) -> None:
    with pytest.raises(BadRequest):
        store.promise_create("p", timeout_at=timeout_at, now=NOW)


@pytest.mark.parametrize(
    "tags",
    [
        {"k": 1},
        {"k": "\x00"},
        {"k\x00": "v"},
        {"k": "\ud800"},
        {"resonate:target": ""},
        {"resonate:target": "nowhere"},
        {"resonate:target": "celery://"},
        {"resonate:target": "celery://a b"},
        {"resonate:target": "unknown://default"},
        {"resonate:origin": "q"},
        {"resonate:parent": "p:1"},
        {"resonate:branch": "px"},
        {"resonate:delay": "7"},
        {"resonate:target": "celery://default", "resonate:delay": "-1"},
        {"resonate:target": "celery://default", "resonate:delay": "soon"},
        {"resonate:target": "celery://default", "resonate:delay": str(NEVER)},
    ],
)
def test_malformed_tags_are_refused(tags: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        store.promise_create("p", timeout_at=NEVER, now=NOW, tags=tags)
    assert rows()["promise"] == []


def test_an_origin_has_no_colon() -> None:
    with pytest.raises(BadRequest):
        store.promise_create("a:b:1", timeout_at=NEVER, now=NOW, tags={"resonate:origin": "a:b"})


@pytest.mark.parametrize("id", ["r", "r:1", "r:1.2", "r.1", "r.1.2"])
def test_lineage_in_both_spellings_is_accepted(id: str) -> None:
    assert create(id, origin="r", branch="r", parent="r").tags["resonate:origin"] == "r"


@pytest.mark.parametrize(
    "value",
    [
        Value(data="x" * 1_048_577),
        Value(data="\x00"),
        Value(data="\ud800"),
        Value(data=7),  # type: ignore[arg-type]
        Value(headers={"k": 1}),  # type: ignore[dict-item]
        Value(headers={"k": "\x00"}),
    ],
)
def test_a_malformed_param_is_refused(value: Value) -> None:
    with pytest.raises(BadRequest):
        store.promise_create("p", timeout_at=NEVER, now=NOW, param=value)


@pytest.mark.parametrize("value", [Value(data=""), Value(headers={}), Value({"a": "ü"}, "no base64"), Value()])
def test_absent_and_empty_values_stay_what_they_are(value: Value) -> None:
    create("p", param=value)
    assert store.promise_get("p", now=NOW).param == value


def test_getting_a_missing_promise() -> None:
    with pytest.raises(PromiseNotFound):
        store.promise_get("p", now=NOW)


def test_getting_by_a_malformed_id() -> None:
    with pytest.raises(BadRequest):
        store.promise_get("", now=NOW)


@pytest.mark.parametrize(("timer", "state"), [("true", "resolved"), ("", "rejected_timedout")])
def test_a_read_applies_the_deadline_at_its_instant_and_writes_nothing(timer: str, state: str) -> None:
    create("p", timeout_at=NOW + 5, timer=timer)
    assert store.promise_get("p", now=NOW + 4).state == PromiseState.PENDING
    late = store.promise_get("p", now=NOW + 5)
    assert (late.state, late.settled_at, late.value) == (state, NOW + 5, Value())
    assert store.promise_get("p", now=NOW + 99).settled_at == NOW + 5
    assert rows()["promise"][0]["state"] == "pending"


def test_which_promises_are_roots() -> None:
    for id, tags in {"r": {}, "r:1": {"origin": "r"}, "s.2": {}, "t:1": {}, "u": {"origin": "u"}}.items():
        create(id, **tags)
    assert [row["id"] for row in rows()["promise"] if row["is_root"]] == ["r", "s.2", "u"]
