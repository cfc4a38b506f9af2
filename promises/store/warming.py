"""The first use of a verb on a connection costs PostgreSQL some ten times what the next one costs: it compiles the
function and plans its statements. A worker has that behind it before the first wake-up."""

import uuid

from django.db import transaction

from promises.records import Acquired, NewPromise
from promises.states import PromiseState
from promises.store.promises import promise_create, promise_settle
from promises.store.tasks import Claim, task_claim, task_fulfill_claim, task_record, task_suspend_claim
from promises.times import NEVER


def store_warm(*, pid: str, now: int) -> None:
    """Let one execution start, take a step, suspend, wake and end on this thread's connection, in a transaction that is
    rolled back: nobody sees it, nobody is notified. Takes some 20 ms. Errors: those of the database."""
    root = f"warm-{uuid.uuid4().hex}"
    claim = Claim([f"celery://{root}"], pid, 1000)
    with transaction.atomic():
        promise_create(root, timeout_at=NEVER, now=now, tags={"resonate:target": claim.targets[0]})
        claimed = task_claim(claim, now=now)
        assert isinstance(claimed, Acquired)
        step = NewPromise(f"{root}:1", NEVER, tags={"resonate:branch": root}, state=PromiseState.RESOLVED)
        call = NewPromise(f"{root}:2", NEVER, tags={"resonate:branch": root})
        task_record(root, claimed.task.version, [step], now=now)
        task_suspend_claim(root, claimed.task.version, [call.id], create=[call], claim=claim, now=now)
        promise_settle(call.id, PromiseState.RESOLVED, now=now)
        claimed = task_claim(claim, now=now)
        assert isinstance(claimed, Acquired)
        task_fulfill_claim(root, claimed.task.version, PromiseState.RESOLVED, claim=claim, now=now)
        transaction.set_rollback(True)
