"""Promises to call upon."""

import pytest

from promises import store
from promises.records import PromiseRecord
from promises.times import NEVER, now_ms
from promises.values import Value
from tests.promises.api.caller import Caller, with_token


@pytest.fixture
def robot(db: None) -> Caller:
    """Somebody with a token for everything."""
    return with_token("robot")


@pytest.fixture
def latent(db: None) -> PromiseRecord:
    """A pending promise without a deadline that waits for the outside."""
    promise, _created = store.promise_create("ci-1", timeout_at=NEVER, now=now_ms(), param=Value.of({"commit": "9f3a"}))
    return promise


@pytest.fixture
def of_approval(db: None) -> PromiseRecord:
    """The promise of an approval."""
    tags = {"countersign:approval": "1", "resonate:origin": "expense-1"}
    promise, _created = store.promise_create("expense-1:2", timeout_at=NEVER, now=now_ms(), tags=tags)
    return promise
