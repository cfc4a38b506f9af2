"""Warming a connection goes through the life of an execution and leaves nothing behind."""

from collections.abc import Callable

from promises import store
from tests.promises.fixtures import Sent
from tests.promises.making import NOW, rows


def test_nothing_is_left_and_nobody_is_told(notified: Callable[[str], list[str]], sent: Sent) -> None:
    before = rows()
    notified("countersign_ready")
    store.store_warm(pid="p", now=NOW)
    assert (rows(), sent, notified("countersign_ready")) == (before, [], [])


def test_the_connection_still_commits_afterwards() -> None:
    store.store_warm(pid="p", now=NOW)
    store.promise_create("p", timeout_at=NOW + 1, now=NOW)
    assert store.promise_get("p", now=NOW).is_pending


def test_it_may_be_repeated() -> None:
    for _ in range(2):
        store.store_warm(pid="p", now=NOW)
