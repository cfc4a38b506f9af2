"""How every verb reaches PostgreSQL: one prepared call of one SQL function on Django's connection, so that it is part
of the caller's transaction when there is one and a commit of its own when there is none."""

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections, transaction

from promises.errors import error_for
from promises.records import NewPromise, PromiseRecord, TaskRecord
from promises.states import PromiseState
from promises.store import direct
from promises.trace_context import value_traced
from promises.transports import dispatch
from promises.values import EMPTY, Value

log = logging.getLogger(__name__)
_local = threading.local()


def retry_interval() -> int:
    """Milliseconds after which a dispatch that nobody answered is repeated."""
    return int(settings.PROMISES.get("RETRY_INTERVAL_MS", 30_000))


def same_origin() -> bool:
    """Whether a promise may be awaited only from its own execution (the protocol's rule)."""
    return bool(settings.PROMISES.get("SAME_ORIGIN", True))


def execute(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run one statement and fetch its rows. Outside a transaction a lost connection or a deadlock is tried once more:
    every verb answers a repetition, so nothing happens twice."""
    try:
        return _execute(sql, params)
    except OperationalError as error:
        if connection.in_atomic_block:
            raise
        log.warning("promise store call repeated: %s", error)
        if not isinstance(error.__cause__, psycopg.errors.DeadlockDetected | psycopg.errors.SerializationFailure):
            connection.close()
        return _execute(sql, params)


def _execute(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    django = connections[DEFAULT_DB_ALIAS]  # itself, not the proxy: this is the hot path
    django.ensure_connection()
    with django.wrap_database_errors:
        raw = django.connection
        if direct.can_execute(raw, params):
            return direct.execute_prepared(raw, sql, params)
        cursor = _cursor(raw)
        cursor.execute(sql, params, prepare=True)
        return cursor.fetchall()


def _cursor(raw: psycopg.Connection[Any]) -> psycopg.Cursor[Any]:
    """This thread's cursor, kept for as long as its connection: a new one would look up every type again.

    Not Django's: that puts the parameters into the statement, which then cannot be prepared.
    """
    found: psycopg.Cursor[Any] | None = getattr(_local, "cursor", None)
    if found is None or found.connection is not raw:
        if raw.prepare_threshold is None:
            raw.prepare_threshold = 5
        found = _local.cursor = psycopg.Cursor(raw)
    return found


def call(function: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Call a verb; send its wake-ups after commit; raise the PromiseError of a refusal.

    Its rows begin with status, message and wake-ups; most verbs answer `promises_answer` rows.
    """
    marks = ",".join(["%s"] * len(params))
    try:
        rows = execute(f"SELECT * FROM {function}({marks})", params)
    except Exception as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        raise refusal from error
    status, message, wakes = rows[0][:3]
    if wakes:
        dispatch_later(wakes)
    if status >= 400:
        raise error_for(status, message)
    return rows


def undoable() -> AbstractContextManager[object]:
    """Around a call whose refusal is raised in PostgreSQL: inside the caller's transaction a savepoint, so that the
    refusal undoes this call and not everything before it; nothing where the call is a transaction of its own."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


def dispatch_later(wakes: str) -> None:
    """Send the wake-ups (JSON, as the SQL functions answer them) by the broker once the transaction has committed; now,
    if there is none. Where workers listen to the database they know already; only what stays unanswered is sent."""
    messages = json.loads(wakes) if settings.PROMISES.get("BROKER_WAKES", False) else []
    if messages:
        transaction.on_commit(lambda: dispatch(messages))


def _refusal(error: Exception) -> Exception | None:
    """Some refusals must undo what the function had done, so it raises them: SQLSTATE CS<status>. See `undoable`."""
    cause = error.__cause__
    if isinstance(cause, psycopg.Error) and (cause.sqlstate or "").startswith("CS"):
        return error_for(int((cause.sqlstate or "")[2:]), cause.diag.message_primary or "")
    return None


def promise_of(row: tuple[Any, ...]) -> PromiseRecord:
    """The promise in an answer row."""
    return record_of(row[10:])


def record_of(row: tuple[Any, ...]) -> PromiseRecord:
    """A promise from its columns in the order of `promises_answer`; Django's connections hand out JSON as text."""
    param, value = _value(row[2], row[3]), _value(row[4], row[5])
    return PromiseRecord(row[0], row[1], param, value, json.loads(row[6]), row[7], row[8], row[9])


def record_of_json(row: Mapping[str, Any]) -> PromiseRecord:
    """A promise from a `promises_answer` that was told as a JSON object."""
    param, value = (
        Value(row["param_headers"], row["param_data"]),
        Value(row["value_headers"], row["value_data"]),
    )
    times = (row["timeout_at"], row["created_at"], row["settled_at"])
    return PromiseRecord(row["id"], row["state"], param, value, row["tags"], *times)


def _value(headers: str | None, data: str | None) -> Value:
    if headers is None and data is None:
        return EMPTY
    return Value(None if headers is None else json.loads(headers), data)


def task_of(row: tuple[Any, ...]) -> TaskRecord:
    """The task in an answer row."""
    return TaskRecord(row[3], row[4], row[5], row[6], row[7], row[8], row[9] or "")


def row_of(promise: NewPromise) -> dict[str, Any]:
    """The JSON object that the SQL functions take for a promise to create; absent keys are NULL there."""
    row: dict[str, Any] = {
        "id": promise.id,
        "state": promise.state,
        "timeout_at": promise.timeout_at,
        "tags": promise.tags,
    }
    if promise.param.headers is not None:
        row["param_headers"] = promise.param.headers
    if promise.param.data is not None:
        row["param_data"] = promise.param.data
    if promise.created_at is not None:
        row["created_at"] = promise.created_at
    if promise.state != PromiseState.PENDING:
        if promise.value.headers is not None:
            row["value_headers"] = promise.value.headers
        if promise.value.data is not None:
            row["value_data"] = promise.value.data
    return row


def rows_json(promises: Sequence[NewPromise]) -> str:
    """The JSON array of `row_of` for several promises."""
    return dumps([row_of(promise) for promise in promises])


def dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def text_array(texts: Sequence[str]) -> str:
    """PostgreSQL's text for an array of texts, so that a statement's parameters are all plain."""
    escaped = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in escaped) + "}"


def headers(value: Value) -> str | None:
    """The headers of a value that settles, as the SQL functions take them (JSON text, or None), with the current
    span."""
    found = value_traced(value).headers
    return None if found is None else dumps(found)
