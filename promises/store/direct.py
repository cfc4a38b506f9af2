"""Statements that libpq prepares and runs itself, with no cursor in between.

psycopg's cursor costs about 50 microseconds a statement, a third of what recording a step costs on this side. Only for
plain parameters and only outside transactions: a cursor also begins those.
"""

import re
import threading
from collections.abc import Sequence
from functools import lru_cache
from itertools import count
from typing import Any

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult

_PLAIN = (str, int, type(None))
_INTEGERS = {20, 21, 23}  # the OIDs of bigint, smallint, integer
_BOOLEAN = 16
_NO_SUCH_STATEMENT = b"26000"
# From here on psycopg's own loading is quicker, though it looks up every column's type first.
MANY_ROWS = 10
_local = threading.local()


def can_execute(raw: psycopg.Connection[Any], params: Sequence[Any]) -> bool:
    """Whether `execute_prepared` can run a statement with these parameters now: text, integers, booleans and None."""
    return raw.autocommit and all(isinstance(param, _PLAIN) for param in params)


def execute_prepared(raw: psycopg.Connection[Any], sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run the statement (`%s` for parameters) in a commit of its own, prepared once for each connection, and return its
    rows: integers and booleans as such, everything else as text. Raises what psycopg raises."""
    values: list[Any] = [None if param is None else str(param).encode() for param in params]
    result = raw.pgconn.exec_prepared(_prepared(raw, sql), values)
    if result.error_field(DiagnosticField.SQLSTATE) == _NO_SUCH_STATEMENT:
        # psycopg deallocates all statements of a session after a ROLLBACK or a DROP on one of its cursors.
        _local.names.clear()
        result = raw.pgconn.exec_prepared(_prepared(raw, sql), values)
    _checked(raw, result, ExecStatus.TUPLES_OK)
    if result.ntuples > MANY_ROWS:
        transformer = Transformer(raw)
        transformer.set_pgresult(result)
        return transformer.load_rows(0, result.ntuples, tuple)
    columns = [(column, result.ftype(column)) for column in range(result.nfields)]
    return [tuple(_value(result, row, column, oid) for column, oid in columns) for row in range(result.ntuples)]


def _prepared(raw: psycopg.Connection[Any], sql: str) -> bytes:
    """The name under which this connection has prepared the statement."""
    if getattr(_local, "connection", None) is not raw:
        _local.connection, _local.names, _local.numbers = raw, {}, count(1)
    name: bytes | None = _local.names.get(sql)
    if name is None:
        name = f"countersign_{next(_local.numbers)}".encode()
        _checked(raw, raw.pgconn.prepare(name, _numbered(sql)), ExecStatus.COMMAND_OK)
        _local.names[sql] = name
    return name


@lru_cache(maxsize=256)
def _numbered(sql: str) -> bytes:
    numbers = count(1)
    return re.sub("%s", lambda _: f"${next(numbers)}", sql).encode()


def _value(result: PGresult, row: int, column: int, oid: int) -> Any:
    value = result.get_value(row, column)
    if value is None:
        return None
    if oid in _INTEGERS:
        return int(value)
    return value == b"t" if oid == _BOOLEAN else value.decode()


def _checked(raw: psycopg.Connection[Any], result: PGresult, expected: ExecStatus) -> None:
    if result.status == expected:
        return
    if raw.pgconn.status == ConnStatus.BAD:
        raise psycopg.OperationalError(raw.pgconn.get_error_message())
    raise psycopg.errors.error_from_result(result)
