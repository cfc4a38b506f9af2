"""Each verb is one round trip and one commit, whatever follows from it: counted on the wire, by libpq's own trace."""

from collections.abc import Callable

import pytest
from django.db import transaction

from promises import store
from promises.errors import Conflict
from promises.queries import promise_graph
from promises.records import NewPromise
from promises.times import NEVER
from promises.values import Value
from tests.promises.fixtures import RoundTrips
from tests.promises.making import NOW, TTL, acquire, clear, create, create_acquired, create_suspended, create_task

STEPS = [NewPromise(f"r:{number}", NEVER, state="resolved", value=Value.of(number)) for number in range(20)]
CALLS = [NewPromise(f"r:{number}", NEVER, tags={"resonate:target": "celery://default"}) for number in range(20)]


def _fan_in(id: str) -> None:
    """Ten tasks and a listener wait for the promise."""
    create(f"{id}:x")
    for number in range(10):
        version = create_acquired(f"{id}:{number}", origin=id)
        store.task_suspend(f"{id}:{number}", version, [f"{id}:x"], now=NOW)
    store.promise_register_listener(f"{id}:x", now=NOW)


VERBS: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "create": (
        lambda: None,
        lambda: store.promise_create("r", timeout_at=NEVER, now=NOW, tags={"resonate:target": "celery://default"}),
    ),
    "create again": (
        lambda: create("r"),
        lambda: store.promise_create("r", timeout_at=NEVER, now=NOW),
    ),
    "get": (lambda: create("r"), lambda: store.promise_get("r", now=NOW)),
    "settle with its cascade": (
        lambda: _fan_in("r"),
        lambda: store.promise_settle("r:x", "resolved", Value.of(1), now=NOW),
    ),
    "register callback": (
        lambda: (create("r:1"), create_task("r")),
        lambda: store.promise_register_callback("r:1", "r", now=NOW),
    ),
    "register listener": (lambda: create("r"), lambda: store.promise_register_listener("r", now=NOW)),
    "acquire with preload": (
        lambda: (create_task("r"), [create(f"r:{n}", branch="r") for n in range(20)]),
        lambda: store.task_acquire("r", 0, pid="x", ttl=TTL, now=NOW),
    ),
    "task create": (
        lambda: None,
        lambda: store.task_create(
            NewPromise("r", NEVER, tags={"resonate:target": "celery://default"}), pid="x", ttl=TTL, now=NOW
        ),
    ),
    "record of twenty steps": (
        lambda: create_acquired("r"),
        lambda: store.task_record("r", 1, STEPS, now=NOW),
    ),
    "fence settle": (
        lambda: (create("r:1"), create_acquired("r")),
        lambda: store.task_fence_settle("r", 1, "r:1", "resolved", now=NOW),
    ),
    "suspend on twenty new promises": (
        lambda: create_acquired("r"),
        lambda: store.task_suspend("r", 1, [p.id for p in CALLS], create=CALLS, now=NOW),
    ),
    "fulfill": (lambda: create_acquired("r"), lambda: store.task_fulfill("r", 1, "resolved", now=NOW)),
    "release": (lambda: create_acquired("r"), lambda: store.task_release("r", 1, now=NOW)),
    "heartbeat": (
        lambda: create_acquired("r"),
        lambda: store.task_heartbeat("p1", [("r", 1)], now=NOW),
    ),
    "halt": (lambda: create_task("r"), lambda: store.task_halt("r", "", now=NOW)),
    "continue": (
        lambda: (create_task("r"), store.task_halt("r", "", now=NOW)),
        lambda: store.task_continue("r", now=NOW),
    ),
    "sweep": (lambda: create_suspended_until(NOW + 5), lambda: store.timeouts_sweep(NOW + 5)),
    "cancel of a call graph": (
        lambda: (create_task("r", origin="r"), _fan_in("r")),
        lambda: store.graph_cancel("r", now=NOW),
    ),
    "continue of a call graph": (
        lambda: (create_task("r"), create_task("r:1"), [store.task_halt(id, "", now=NOW) for id in ("r", "r:1")]),
        lambda: store.graph_continue("r", now=NOW),
    ),
    "call graph": (lambda: _fan_in("r"), lambda: promise_graph("r", now=NOW)),
}


def create_suspended_until(deadline: int) -> None:
    create("r:1", timeout_at=deadline)
    create_suspended("r", "r:1")


@pytest.mark.parametrize("verb", VERBS)
def test_one_round_trip_and_one_commit(verb: str, round_trips: RoundTrips) -> None:
    arrange, act = VERBS[verb]
    arrange()
    act()  # the first call on a connection also prepares the statement
    clear()
    arrange()
    assert round_trips(act) == (1, 1)


def test_inside_a_transaction_a_verb_is_one_round_trip_and_commits_nothing(round_trips: RoundTrips) -> None:
    create("warm")
    with transaction.atomic():
        create("begun")  # Django begins with the first statement
        assert round_trips(lambda: create("p")) == (1, 0)


def test_a_refusal_is_one_round_trip_too(round_trips: RoundTrips) -> None:
    def refused() -> None:
        with pytest.raises(Conflict):
            acquire("p", 99)

    create_task("p")
    refused()
    assert round_trips(refused) == (1, 1)
