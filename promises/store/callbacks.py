"""The verbs that say whom to tell when a promise settles."""

from promises.errors import BadRequest
from promises.records import PromiseRecord
from promises.store.call import call, promise_of, retry_interval, same_origin
from promises.store.checks import check_id
from promises.transports import NOTIFY_ADDRESS, is_listenable


def promise_register_callback(awaited: str, awaiter: str, *, now: int) -> PromiseRecord:
    """Wake the awaiter's task when `awaited` settles; once, however often it is registered. Returns the awaited
    promise: if it is settled, nothing was stored (a suspended awaiter was woken).

    Errors: BadRequest (itself, another origin), PromiseNotFound (awaited), Unprocessable (awaiter missing or without
    a target, awaited internal to its execution).
    """
    check_id(awaited, "awaited")
    check_id(awaiter, "awaiter")
    if awaited == awaiter:
        raise BadRequest("A promise cannot await itself")
    rows = call("promises_callback_register", (awaited, awaiter, same_origin(), now, retry_interval()))
    return promise_of(rows[0])


def promise_register_listener(awaited: str, address: str = NOTIFY_ADDRESS, *, now: int) -> PromiseRecord:
    """Send an `unblock` message to `address` when `awaited` settles. Returns the promise: if it is settled, nothing
    was stored.

    The default address is PostgreSQL's NOTIFY on the channel `countersign_settled`. Errors: BadRequest (address),
    PromiseNotFound, Unprocessable (internal to its execution).
    """
    check_id(awaited, "awaited")
    if not is_listenable(address):
        raise BadRequest(f"Invalid address: {address!r}")
    rows = call("promises_listener_register", (awaited, address, now, retry_interval()))
    return promise_of(rows[0])
