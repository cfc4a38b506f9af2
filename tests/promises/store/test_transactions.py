"""Verbs inside the caller's transaction are part of it: rolled back, nothing happened and nobody was told."""

from collections.abc import Callable

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from promises import store
from promises.errors import Conflict, PromiseNotFound, TaskNotFound, Unprocessable
from promises.store import call
from promises.times import NEVER
from tests.promises.fixtures import Sent
from tests.promises.making import NOW, acquire, create, create_acquired, create_suspended, create_task, rows, task


class Rollback(Exception):
    pass


def test_rolled_back_there_is_no_promise_and_no_message(sent: Sent) -> None:
    with pytest.raises(Rollback), transaction.atomic():  # noqa: PT012 (what is rolled back)
        create_task("p")
        raise Rollback
    assert (rows()["promise"], rows()["task"], sent) == ([], [], [])


def test_committed_the_message_goes_out_after_the_commit(sent: Sent) -> None:
    with transaction.atomic():
        create_task("p")
        assert sent == []
    assert sent == [("default", "p", 0)]


def test_a_settlement_rolled_back_wakes_nobody(sent: Sent, notified: Callable[[str], list[str]]) -> None:
    notified("countersign_settled")
    create("r:1")
    store.promise_register_listener("r:1", now=NOW)
    create_suspended("r", "r:1")
    sent.clear()
    with pytest.raises(Rollback), transaction.atomic():  # noqa: PT012 (what is rolled back)
        store.promise_settle("r:1", "resolved", now=NOW)
        assert store.promise_get("r:1", now=NOW).state == "resolved"
        raise Rollback
    assert store.promise_get("r:1", now=NOW).is_pending
    assert (task("r")["state"], sent, notified("countersign_settled")) == ("suspended", [], [])


def test_a_savepoint_rolled_back_takes_its_verbs_with_it(sent: Sent) -> None:
    with transaction.atomic():
        create_task("kept")
        with pytest.raises(Rollback), transaction.atomic():  # noqa: PT012 (what is rolled back)
            create_task("undone")
            raise Rollback
    assert [row["id"] for row in rows()["promise"]] == ["kept"]
    assert sent == [("default", "kept", 0)]


def test_refusals_leave_the_transaction_usable() -> None:
    with transaction.atomic():
        with pytest.raises(PromiseNotFound):
            store.promise_settle("missing", "resolved", now=NOW)
        with pytest.raises(TaskNotFound):
            acquire("missing")
        create_acquired("p")
        with pytest.raises(Conflict):
            acquire("p")
        with pytest.raises(Unprocessable):
            store.promise_register_callback("p", "p:missing", now=NOW)
    assert [row["id"] for row in rows()["promise"]] == ["p"]


def test_a_refused_suspend_does_not_turn_the_commit_around_it_into_a_silent_rollback() -> None:
    version = create_acquired("r")
    with transaction.atomic():
        create("mine")
        with pytest.raises(Unprocessable):
            store.task_suspend("r", version, ["r:missing"], now=NOW)
    assert store.promise_get("mine", now=NOW).is_pending


def test_a_lost_connection_is_tried_once_more() -> None:
    create("p")
    with psycopg.connect(**_connection_parameters(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (connection.connection.info.backend_pid,))
    assert store.promise_get("p", now=NOW).id == "p"


def test_inside_a_transaction_it_is_not() -> None:
    create("p")
    with pytest.raises(DatabaseError), transaction.atomic():  # noqa: PT012 (what is rolled back)
        with psycopg.connect(**_connection_parameters(), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (connection.connection.info.backend_pid,))
        store.promise_get("p", now=NOW)
    connection.close()


def test_a_database_error_keeps_its_cause() -> None:
    with pytest.raises(DatabaseError) as caught:
        call.call("promises_no_such_function", ())
    assert isinstance(caught.value.__cause__, psycopg.errors.UndefinedFunction)


def test_without_a_transaction_the_verb_has_committed_when_it_returns() -> None:
    store.promise_create("p", timeout_at=NEVER, now=NOW)
    with psycopg.connect(**_connection_parameters()) as other:
        assert other.execute("SELECT id FROM promises_promise").fetchall() == [("p",)]


def _connection_parameters() -> dict[str, object]:
    parameters = dict(connection.get_connection_params())
    return {key: value for key, value in parameters.items() if key not in ("cursor_factory", "context")}
