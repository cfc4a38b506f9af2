"""One LISTEN connection for a whole asynchronous process: it hands each notification on, and comes back
when it is lost."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
import structlog
from django.db import connections
from psycopg import sql

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between attempts to connect

logger = structlog.get_logger(__name__)

Receiver = Callable[[str], None]


class Listening:
    """Calls `receivers[channel](payload)` for every notification, in the event loop.

    What was notified while there was no connection is lost: `when_connected` is called each time it is up
    (also the first time), so that receivers can look for themselves.
    """

    def __init__(self, receivers: Mapping[str, Receiver], when_connected: Callable[[], None]) -> None:
        self.receivers = receivers
        self.when_connected = when_connected

    async def run(self) -> None:
        """Listen until cancelled."""
        pause = FIRST_PAUSE
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    **connection_parameters(), autocommit=True
                ) as connection:
                    await self._listen(connection)
                    pause = FIRST_PAUSE
                    await self._receive(connection)
            except (psycopg.Error, OSError) as error:
                logger.warning("listening_interrupted", reason=str(error).strip())
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _listen(self, connection: psycopg.AsyncConnection[Any]) -> None:
        for channel in self.receivers:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        self.when_connected()

    async def _receive(self, connection: psycopg.AsyncConnection[Any]) -> None:
        async for notification in connection.notifies():
            if receiver := self.receivers.get(notification.channel):
                receiver(notification.payload)


def connection_parameters() -> dict[str, Any]:
    """psycopg's arguments for the default database, without those that only Django's own connections
    understand."""
    parameters = connections["default"].get_connection_params()
    return {name: value for name, value in parameters.items() if name not in ("cursor_factory", "context")}
