"""The reads: an execution's call graph, the list of executions, tasks by id."""

from django.db import connection

from promises import store
from promises.queries import executions, halted_executions, halted_in, promise_graph, tasks_of
from promises.records import NewPromise, PromiseRecord
from promises.times import NEVER
from promises.values import Value
from tests.promises.fixtures import RoundTrips
from tests.promises.making import NOW, create, create_acquired, create_task


def test_a_call_graph_is_the_root_and_everything_below_it_in_id_order() -> None:
    for id in ("r", "r:2", "r:1", "r:1.1", "r:10", "r.5", "r;", "rx:1", "q:1"):
        create(id)
    assert [p.id for p in promise_graph("r", now=NOW)] == ["r", "r:1", "r:1.1", "r:10", "r:2"]


def test_with_deadlines_applied_and_at_most_so_many() -> None:
    create("r")
    for number in range(5):
        create(f"r:{number}", timeout_at=NOW + 5)
    graph = promise_graph("r", now=NOW + 5, limit=3)
    assert [p.state for p in graph] == ["pending"] + ["rejected_timedout"] * 3


def test_five_thousand_nodes_are_one_range_of_the_key_in_one_round_trip(round_trips: RoundTrips) -> None:
    create_acquired("r", origin="r")
    for id in ("q:1", "r1:1", "s"):
        create(id)
    steps = [NewPromise(f"r:{number}", NEVER, Value.of(number), state="resolved") for number in range(5000)]
    store.task_record("r", 1, steps, now=NOW)
    promise_graph("q", now=NOW)  # prepares the statement
    found: list[PromiseRecord] = []
    assert round_trips(lambda: found.extend(promise_graph("r", now=NOW))) == (1, 1)
    assert len(found) == len({promise.id for promise in found}) == 5001
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE promises_promise")
        cursor.execute("EXPLAIN SELECT * FROM promises_promise WHERE id >= 'r1:' AND id < 'r1;' ORDER BY id LIMIT 5000")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Index Scan using promises_promise_pkey" in plan


def test_there_is_none() -> None:
    assert promise_graph("r", now=NOW) == []


def test_executions_are_roots_with_a_target_newest_first() -> None:
    create_task("old", now=NOW - 1, origin="old")
    create_task("new", origin="new")
    create_task("new:1", origin="new")  # a remote call
    create_task("odd:1")  # no origin of its own: below one that is not here
    create("latent")
    assert [p.id for p in executions()] == ["new", "old"]
    assert executions().pending().count() == 2


def test_what_is_halted_belongs_to_an_execution() -> None:
    for id in ("r", "r:1", "r:2", "q:1", "s"):
        create_task(id, origin=id.partition(":")[0])
    for id in ("r:2", "r:1", "q:1"):
        store.task_halt(id, f"why {id}", now=NOW)
    found = halted_in(["r", "s", "missing"])
    assert {id: [task.halt_reason for task in tasks] for id, tasks in found.items()} == {"r": ["why r:1", "why r:2"]}
    assert [p.id for p in executions().filter(pk__in=halted_executions())] == ["r"]


def test_tasks_by_id() -> None:
    create_acquired("a")
    create_task("b")
    store.task_halt("b", "why", now=NOW)
    found = tasks_of(["a", "b", "missing"])
    assert {id: (t.state, t.version, t.pid, t.halt_reason) for id, t in found.items()} == {
        "a": ("acquired", 1, "p1", ""),
        "b": ("halted", 0, None, "why"),
    }
