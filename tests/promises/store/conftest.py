"""The tests of the store: every one commits."""

import pytest

from tests.promises.fixtures import in_thread, notified, round_trips, sent, transactional_db

__all__ = ["in_thread", "notified", "round_trips", "sent", "transactional_db"]


@pytest.fixture(autouse=True)
def committing(transactional_db: None, sent: list[tuple[str, str, int]]) -> None:
    """All tests here work on a store that commits, and send no real message."""
