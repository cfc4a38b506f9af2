"""The store of durable mode keeps the contract, in real time."""

import time
from collections.abc import Callable

import pytest

from promises.store import timeouts_sweep
from promises.times import now_ms
from tests.workflows.store_contract import StoreContract
from workflows.stores.durable import DurableStore


class TestDurableStore(StoreContract):
    @pytest.fixture
    def store(self) -> DurableStore:
        return DurableStore()

    @pytest.fixture
    def pass_time(self) -> Callable[[int], None]:
        def wait(ms: int) -> None:
            time.sleep((ms + 1) / 1000)
            timeouts_sweep(now_ms())  # the clock

        return wait
