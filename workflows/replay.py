"""Drive a workflow body until it finishes or waits for others. No Django, no Celery, no network: the store does that.

The body runs on an event loop in turns. When a turn has left it waiting, the operations that it asked for are carried
out here, between turns: steps are run and recorded, remote promises created. What is recorded already answers at
once, which is what a replay is. When nothing is left to do here, the task suspends on the promises that the body
waits for.
"""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promises.records import Acquired, PromiseRecord
from promises.states import PromiseState
from promises.values import CANCELED_BY_CALLER, EMPTY
from workflows.attempts import Attempt
from workflows.cancellation import Cancellation, is_by_caller
from workflows.context import Context
from workflows.determinism import difference, unasked
from workflows.errors import (
    Halt,
    NonDeterminism,
    NonDurableAwait,
    ShuttingDown,
    Suspended,
)
from workflows.frames import Frame
from workflows.loop import Loop, outside_loops
from workflows.observing import PLACE, Observer, Place
from workflows.operations import DurableFuture, Kind, Operation
from workflows.outcomes import error_of, outcome_of, result_of
from workflows.registry import Workflow
from workflows.stepping import Steps
from workflows.stores.base import Lease, Store
from workflows.strands import CURRENT

MOST_REFUSALS = 100
PUTTING_AWAY = 1000  # passes of the event loop

log = logging.getLogger(__name__)

# Yields the times (ms) up to which nothing can happen, and returns what became of it.
Progress = Generator[int, None, str]


@dataclass(eq=False)
class Body:
    """A running function body: the root's, or a nested workflow's with the operation that it is the answer to."""

    frame: Frame
    task: "asyncio.Task[Any]"
    operation: Operation | None


@dataclass(eq=False)
class Activation:
    """One lease on an execution, from acquire to suspend, fulfill or release."""

    store: Store
    acquired: Acquired
    services: Mapping[str, Any] = field(default_factory=dict)
    is_interrupted: Callable[[], bool] = lambda: False
    observers: Sequence[Observer] = ()

    def __post_init__(self) -> None:
        self.lease = Lease(self.acquired.task.id, self.acquired.task.version)
        self.recorded = {promise.id: promise for promise in self.acquired.preload}
        self.steps = Steps(self)
        self.nested: list[tuple[Operation, Workflow[..., Any], Sequence[Any], Mapping[str, Any]]] = []
        self.unstored: dict[str, Operation] = {}  # remote, not created yet
        self.waiting: dict[str, Operation] = {}  # remote, not settled yet
        self.timed: dict[str, Operation] = {}  # nested with a time of their own, which must outlast a suspension
        self.bodies: list[Body] = []
        self.asked: set[str] = set()
        self.cancellation = Cancellation(self)
        self.refusals = 0
        self.ended: BaseException | None = None  # why this activation cannot go on
        self.is_closed = False
        self.error: BaseException | None = None  # what the function raised, or what halted it
        self.remote_tags: dict[str, str] = {}  # that observers give to what is created here for others
        self.context = contextvars.copy_context()  # bodies and steps run in copies of it
        self.context.run(PLACE.set, Place.of_task(self.acquired))

    # -- driving
    # -------------------------------------------------------------------------------------------------------------

    def run(self, function: Workflow[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Progress:
        """Drive the function to "fulfilled" or "suspended". Whenever nothing can happen before a failed step is tried
        again it yields that time (ms), and waits for what is left of it when it is driven on. Raises Halt, LeaseLost,
        ShuttingDown."""
        self.loop = Loop.borrow()
        try:
            root = self._start_body(Frame.of_root(self, function), function.fn, args, kwargs, None)
            return (yield from self._drive(root))
        finally:
            outside_loops(self._put_away)

    def _drive(self, root: Body) -> Progress:
        while True:
            self._turn()
            if self.is_interrupted():
                self.steps.stop()
                self._record_attempts()
                raise ShuttingDown
            if self._end_bodies(root):
                return "fulfilled"
            if self._start_operations():
                continue
            if self.steps.ended or self.steps.is_busy:
                if not self.steps.ended:
                    if not self.steps.in_flight:
                        yield self.steps.retry_at
                    self.steps.wait()
                self._record_attempts()
            elif not self._wait_for_others():
                return "suspended"

    def _turn(self) -> None:
        """Let the bodies run as far as they can."""
        if not self.loop.turn():
            raise self.non_durable("goes round and round, asking for nothing durable.")
        if self.ended is not None:
            raise self.ended

    def _start_body(
        self,
        frame: Frame,
        fn: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        operation: Operation | None,
    ) -> Body:
        context = self.context.copy()
        context.run(CURRENT.set, frame.strand)
        context.run(PLACE.set, frame.place)
        coroutine = fn(Context(frame), *args, **kwargs)
        body = Body(frame, self.loop.create_task(coroutine, context=context), operation)
        self.bodies.append(body)
        return body

    def _end_bodies(self, root: Body) -> bool:
        """Settle the functions whose body and children are done. True when the root is."""
        again = True
        while again:
            again = False
            for body in [b for b in self.bodies if b.task.done()]:
                if not body.frame.is_over(failed=error_of(body.task) is not None):
                    continue
                self.bodies.remove(body)
                if body is root:
                    self._fulfill(body)
                    return True
                self._end_nested(body)
                again = True
        return False

    def _fulfill(self, body: Body) -> None:
        self._check_complete()
        self.error = error_of(body.task)
        state, value = outcome_of(body.task)
        self._store_remote()
        self.context.run(self.store.fulfill, self.lease, state, value)

    def _end_nested(self, body: Body) -> None:
        assert body.operation is not None
        state, value = outcome_of(body.task)
        if body.operation.is_canceled:
            state, value = PromiseState.REJECTED_CANCELED, CANCELED_BY_CALLER
        elif self.store.now() >= body.operation.deadline:
            state, value = PromiseState.REJECTED_TIMEDOUT, EMPTY
        self.steps.ended.append(Attempt(body.operation, state, value))
        self._record_attempts()
        self.loop.turn()

    def _put_away(self) -> None:
        """Unwind what still runs. The bodies' context calls raise Suspended from now on, so nothing durable can
        happen."""
        self.is_closed = True
        tasks = pending = [task for task in asyncio.all_tasks(self.loop) if not task.done()]
        for _ in range(3):
            for task in pending:
                task.cancel()
            self.loop.turn(PUTTING_AWAY)
            pending = [task for task in pending if not task.done()]
            if not pending:
                break
        else:
            log.warning("a body of %s cannot be put away: it catches BaseException and goes on", self.lease.task_id)
        self.steps.stop()
        for task in [*tasks, *(body.task for body in self.bodies)]:
            if task.done():
                error_of(task)  # one that nobody looked at would be reported as forgotten
        self.loop.give_back()

    # -- operations
    # ------------------------------------------------------------------------------------------------------------

    def register(self, operation: Operation) -> DurableFuture[Any]:
        """Take an operation that a body asks for: answer it from the record, or queue it."""
        future = operation.future = DurableFuture(loop=self.loop)
        future.operation, future.activation = operation, self
        if self.is_closed or self.ended is not None:
            return self._refuse(future)
        if operation.id in self.asked:
            raise self._halt(NonDeterminism(f"Two calls have the id {operation.id}; give them different names."))
        self.asked.add(operation.id)
        operation.frame.open.add(operation)
        known = self.recorded.get(operation.id)
        if known is not None:
            self._check_same(operation, known)
            operation.is_stored, operation.deadline = True, known.timeout_at
            if is_by_caller(known):
                self.cancellation.remember(operation, known)
                return future
            if not known.is_pending:
                self.answer(operation, known)
                return future
        self._queue(operation, is_recorded=known is not None)
        return future

    def _refuse(self, future: DurableFuture[Any]) -> DurableFuture[Any]:
        """What calls get once this is over: Suspended. A body that swallows it in a loop is made to wait, for good."""
        self.refusals += 1
        if self.refusals > MOST_REFUSALS:
            return future
        raise Suspended

    def _queue(self, operation: Operation, *, is_recorded: bool) -> None:
        """Take up an operation that is not settled yet."""
        if operation.kind is Kind.REMOTE:
            self.waiting[operation.id] = operation
            if not is_recorded:
                self.unstored[operation.id] = operation
        elif operation.kind is Kind.LEAF:
            self.steps.asked.append(operation)
        elif not is_recorded and operation.options.timeout is not None and operation.options.durable:
            self.timed[operation.id] = operation

    def ensure_stored(self, operation: Operation) -> "asyncio.Future[str]":
        """See `DurableFuture.created`."""
        future: asyncio.Future[str] = self.loop.create_future()
        if operation.kind is not Kind.REMOTE or operation.is_stored:
            future.set_result(operation.id)
        else:
            operation.must_store.append(future)
        return future

    def _check_same(self, operation: Operation, known: PromiseRecord) -> None:
        if reason := difference(operation, known):
            raise self._halt(NonDeterminism(reason))

    def _check_complete(self) -> None:
        """A body that ends without having asked for all that is recorded took another path than the one on record."""
        if reason := unasked(self.recorded, self.asked):
            raise self._halt(NonDeterminism(reason))

    def _halt(self, reason: Halt) -> Halt:
        self.ended = self.ended or reason
        return reason

    def non_durable(self, what: str) -> Halt:
        """What a body gets that asks for something which no record could bring back."""
        return self._halt(NonDurableAwait(f"The workflow body of {self.lease.task_id} {what}"))

    def answer(self, operation: Operation, known: PromiseRecord) -> None:
        """Hand a settled promise to whoever waits for its operation."""
        self.waiting.pop(operation.id, None)
        operation.frame.open.discard(operation)
        operation.future.settled = known
        if operation.future.done():
            return
        try:
            result = result_of(known, operation.annotation)
        except Exception as error:
            operation.future.set_exception(error)
            operation.future.exception()  # one that nobody awaits is not reported as forgotten
        else:
            operation.future.set_result(result)

    def _start_operations(self) -> bool:
        """Start what the last turn asked for. True when the bodies may have something to go on with."""
        if self.cancellation.carry_out():
            self._record_attempts()
            return True
        if self.nested:
            nested, self.nested = self.nested, []
            for operation, function, args, kwargs in nested:
                frame = Frame.below(operation, function, self)
                operation.running = self._start_body(frame, function.fn, args, kwargs, operation).task
            return True
        must_store = any(operation.must_store for operation in self.unstored.values())
        if self.unstored and (must_store or self.steps.asked or self.steps.is_busy):
            self._store_remote()
            if must_store:
                return True
        if not self.steps.asked or not self.steps.start():
            return False
        self._record_attempts()
        return True

    def _store_remote(self) -> None:
        operations, self.unstored = self.unstored, {}
        if not operations:
            return
        known = self.store.record(self.lease, [operation.promise for operation in operations.values()])
        for operation in operations.values():
            self._mark_stored(operation)
            found = known.get(operation.id)
            if found is not None and not found.is_pending:
                self.answer(operation, found)

    def _mark_stored(self, operation: Operation) -> None:
        operation.is_stored = True
        for future in operation.must_store:
            if not future.done():
                future.set_result(operation.id)

    def _record_attempts(self) -> None:
        """Store the outcomes of the steps that have ended, all in one commit, and tell the bodies."""
        attempts, self.steps.ended = self.steps.ended, []
        rows = []
        for attempt in attempts:
            self.timed.pop(attempt.operation.id, None)
            if attempt.operation.is_stored and attempt.known is None:
                attempt.known = self._settle_nested(attempt)
            elif attempt.known is None and attempt.operation.options.durable:
                rows.append(attempt.promise())
        known = self.store.record(self.lease, rows) if rows else {}
        for attempt in attempts:
            found = attempt.known or known.get(attempt.operation.id)
            if found is not None:
                self._check_same(attempt.operation, found)
            self.answer(attempt.operation, found or attempt.as_record())

    def _settle_nested(self, attempt: Attempt) -> PromiseRecord:
        """The end of a nested workflow whose promise a suspension has stored; past its deadline, that is its end."""
        is_late = attempt.state == PromiseState.REJECTED_TIMEDOUT
        state = PromiseState.REJECTED if is_late else attempt.state
        return self.store.settle_child(self.lease, attempt.operation.id, state, attempt.value)

    # -- others
    # ----------------------------------------------------------------------------------------------------------------

    def _wait_for_others(self) -> bool:
        """Suspend on the promises that the bodies wait for: False. True when some are settled already: then go on."""
        awaited = [operation.id for operation in self.waiting.values() if operation.is_awaited]
        if not awaited:
            raise self.non_durable(
                "waits for something that is not a durable operation, so nothing would ever wake it. Wait by ctx only, "
                "and do I/O in steps (ctx.run)."
            )
        create = [operation.promise for operation in (*self.unstored.values(), *self.timed.values())]
        settled = self.store.suspend(self.lease, awaited, create)
        if not settled:
            return False
        stored = [*self.unstored.values(), *self.timed.values()]
        self.unstored, self.timed = {}, {}
        for operation in stored:
            self._mark_stored(operation)
        for promise in settled:
            self.answer(self.waiting[promise.id], promise)
        return True

    def drop(self, operation: Operation) -> None:
        """Forget a call that has not been started, or not again."""
        self.steps.drop(operation)
        self.nested = [call for call in self.nested if call[0] is not operation]

    def cancel_child(self, operation: Operation) -> None:
        """Cancel a remote promise that nobody will wait for any more."""
        if operation.id in self.unstored:
            self._store_remote()
        if operation.id in self.waiting:
            self.answer(operation, self.store.cancel_child(self.lease, operation.id))
