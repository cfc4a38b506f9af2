"""Everything on one address: event streams go to an asynchronous application, the rest to Django's views
in threads."""

import asyncio
import contextlib
import re

from config.wsgi import application as django

# After Django is set up, which the import above does.
from django.conf import settings  # isort: skip

from approvals.events import CHANNEL as APPROVALS
from approvals.events import PATH as EVENTS
from approvals.events import EventStreams
from config.bridge import Bridge, Receive, Scope, Send
from promises.listening import Listening
from promises.parking import CHANNEL as SETTLED
from promises.parking import ParkingLot

UPLOADS = re.compile(r"/approvals/[^/]+/|/api/approvals/[^/]+/files/")


def body_limit(path: str) -> int:
    """How large a body may be (bytes): larger where forms take files."""
    return int(settings.UPLOAD_LIMIT if UPLOADS.fullmatch(path) else settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


lot = ParkingLot()
bridge = Bridge(django, threads=settings.WEB_THREADS, body_limit=body_limit, lot=lot)
events = EventStreams(bridge.pool)


def look_again() -> None:
    """The connection that listens is new: what happened meanwhile was not heard."""
    lot.wake_all()
    events.refresh()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "http":
        await (events if scope["path"] == EVENTS else bridge)(scope, receive, send)


async def lifespan(receive: Receive, send: Send) -> None:
    """Listen to the database from the start of this process to its end."""
    await receive()
    listening = asyncio.create_task(Listening({SETTLED: lot.settle_note, APPROVALS: events.publish}, look_again).run())
    await send({"type": "lifespan.startup.complete"})
    await receive()
    listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening
    bridge.pool.shutdown(wait=False)
    await send({"type": "lifespan.shutdown.complete"})
