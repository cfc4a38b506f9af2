"""How a wake-up reaches whoever executes a task: the address of the promise's target says which transport
carries it."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from promises.transports import celery

log = logging.getLogger(__name__)

# A listener at this address is told by PostgreSQL's NOTIFY on the channel `countersign_settled`; the payload is the
# promise's id.
NOTIFY_ADDRESS = "notify:settled"

_TRANSPORTS = {celery.SCHEME: celery}


def is_routable(address: str) -> bool:
    """Whether some transport here can deliver an `execute` message to `address`."""
    scheme, separator, rest = address.partition("://")
    transport = _TRANSPORTS.get(scheme)
    return bool(separator and transport and transport.is_address(rest))


def is_listenable(address: str) -> bool:
    """Whether a listener can be told at `address`."""
    return address == NOTIFY_ADDRESS


def dispatch(wakes: Iterable[Mapping[str, Any]]) -> None:
    """Send an `execute` message for each of `wakes` ({"id", "version", "target"}). A message that cannot be sent is
    logged; the task stays due, so the clock sends it again."""
    for wake in wakes:
        scheme, _, rest = wake["target"].partition("://")
        transport = _TRANSPORTS.get(scheme)
        if transport is None:
            log.warning("no transport for the target %s of task %s", wake["target"], wake["id"])
            continue
        try:
            transport.send(rest, wake["id"], wake["version"])
        except Exception:
            log.warning("the wake-up of task %s was not sent; the clock repeats it", wake["id"], exc_info=True)
