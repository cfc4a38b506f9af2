"""The store of local mode keeps the contract, on a virtual clock."""

from collections.abc import Callable

import pytest

from tests.workflows.store_contract import StoreContract, latent, root
from workflows.stores.memory import MemoryStore


class Clock:
    """Stands still until it is told."""

    def __init__(self, now: int = 1_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def advance(self, ms: int) -> None:
        self.now += ms


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def store(self, clock: Clock) -> MemoryStore:
        return MemoryStore(clock)

    @pytest.fixture
    def pass_time(self, clock: Clock) -> Callable[[int], None]:
        return clock.advance

    @pytest.fixture
    def in_thread(self) -> Callable[[Callable[[], object]], Callable[[], object]]:
        return lambda work: work

    def test_what_is_due(self, store: MemoryStore, clock: Clock) -> None:
        store.create(root("now"))
        delayed = root("later").tags | {"resonate:delay": str(clock.now + 50)}
        store.create(type(root())("later", clock.now + 90, tags=delayed))
        store.create(latent("r:1", clock.now + 70))
        assert store.due_tasks() == ["now"]
        assert store.next_deadline() == clock.now + 50
        clock.advance(50)
        assert store.due_tasks() == ["now", "later"]
        assert store.next_deadline() == clock.now + 20
