"""The steps of an activation: those that were asked for, those that run (in its own thread, in helper threads, on the
event loop), those that failed and are tried again, and those that have ended and are to be recorded."""

import asyncio
import math
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from workflows.attempts import Attempt, attempt_async, attempt_sync
from workflows.operations import Operation

if TYPE_CHECKING:
    from workflows.replay import Activation

PARALLEL_STEPS = 8


class Steps:
    """See above. Everything but the work of a helper thread happens in the activation's own thread."""

    def __init__(self, activation: "Activation") -> None:
        self.activation = activation
        self.asked: list[Operation] = []
        self.failed: list[Operation] = []  # tried again, each at its `retry_at`
        self.ended: list[Attempt] = []
        self.in_flight = 0
        self._threads: ThreadPoolExecutor | None = None

    @property
    def is_busy(self) -> bool:
        """Whether steps run here, or are going to again."""
        return bool(self.in_flight or self.failed)

    @property
    def retry_at(self) -> int:
        """When the first of those that failed is tried again (ms)."""
        return min(operation.retry_at for operation in self.failed)

    def start(self) -> bool:
        """Start what was asked for. True when it has ended already: a single sync step runs right here."""
        asked, self.asked = self.asked, []
        if len(asked) == 1 and not self.is_busy and not asked[0].is_async:
            activation = self.activation
            self._end(activation.context.copy().run(attempt_sync, asked[0], activation.store, activation.lease))
            return True
        for operation in asked:
            self._start_parallel(operation)
        return False

    def wait(self) -> None:
        """Until a step ends, or the time of one that failed has come again."""
        loop, store = self.activation.loop, self.activation.store
        if not self.failed:
            loop.wait()
            return
        retry_at = self.retry_at
        if (left := retry_at - store.now()) > 0:
            loop.wait(left / 1000)
        # With nothing in flight the wait is over because the time has come, even for a store whose time stands still.
        now = store.now() if self.in_flight else max(retry_at, store.now())
        self.asked += [operation for operation in self.failed if operation.retry_at <= now]
        self.failed = [operation for operation in self.failed if operation.retry_at > now]

    def stop(self) -> None:
        """Wait for what the helper threads are at: it cannot be stopped."""
        if self._threads is not None:
            self._threads.shutdown(wait=True)
            self.activation.loop.turn()  # what they still had to say

    def drop(self, operation: Operation) -> None:
        """Forget a step that has not been started, or not again."""
        self.asked = [step for step in self.asked if step is not operation]
        self.failed = [step for step in self.failed if step is not operation]

    def _start_parallel(self, operation: Operation) -> None:
        activation = self.activation
        self.in_flight += 1
        if operation.is_async:
            attempt = attempt_async(operation, activation.store)
            operation.running = activation.loop.create_task(attempt, context=activation.context.copy())
            operation.running.add_done_callback(self._attempt_ended)
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(PARALLEL_STEPS, thread_name_prefix="step")
        run = activation.context.copy().run
        work = partial(run, attempt_sync, operation, activation.store, activation.lease, in_thread=True)
        self._threads.submit(work).add_done_callback(
            lambda done: activation.loop.call_soon_threadsafe(self._attempt_ended, done)
        )

    def _attempt_ended(self, done: "asyncio.Future[Attempt] | Future[Attempt]") -> None:
        activation: Any = self.activation
        if activation.is_closed:
            return
        self.in_flight -= 1
        if not done.cancelled():
            try:
                self._end(done.result())
            except BaseException as error:  # the lease is lost, or the store: no outcome of the step
                activation.ended = activation.ended or error
        activation.loop.stop()

    def _end(self, attempt: Attempt) -> None:
        """Keep the outcome to be recorded, or arrange another attempt; of a canceled call neither."""
        operation = attempt.operation
        if operation.is_canceled:
            return
        if attempt.retry_in is None:
            self.ended.append(attempt)
        else:
            operation.retry_at = self.activation.store.now() + math.ceil(attempt.retry_in * 1000)
            self.failed.append(operation)
