"""Whether the code of the day can carry on what is recorded: a history is replayed in memory, up to where it ends.
Nothing is written, and no step is run but those that are never recorded (`durable=False`), as on every replay."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promises.records import NewPromise, PromiseRecord
from promises.states import TaskState
from promises.values import display
from workflows.determinism import unasked
from workflows.errors import FunctionNotFound
from workflows.executor import NO_SERVICES, activate, finish
from workflows.histories import CUT_OFF, History
from workflows.operations import Kind, Operation
from workflows.registry import Workflow, registry
from workflows.replay import Activation, Body
from workflows.stores.memory import MemoryStore

_WHAT_TO_DO = (
    "If executions like this one may be running, leave the function to them and make the change in another version of "
    "it (docs/guides/versions.md); if none is, export a new history."
)


def assert_replays(
    fn: Workflow[..., Any],
    history: History | Mapping[str, Any] | str | Path,
    *,
    services: Mapping[str, Any] = NO_SERVICES,
) -> None:
    """Replay an execution's history (a file of `./run manage execution export`, or its document), and every execution
    in it that it has called and whose function is registered here: each must make the calls that are recorded, wait
    where it waited, and end as it ended.

    `services` are given to the context, as where the history was recorded. Raises AssertionError, which tells what was
    recorded, what the code asks for now, and what to do; ValueError when the history cannot be read.
    """
    recorded = History.load(history)
    root = recorded.promises[0]
    _check_goes_on_with(fn, root)
    for execution in recorded.promises:
        if execution.id not in recorded.tasks or (execution is not root and not registry.has(execution.func)):
            continue
        if problem := _problem(recorded, execution, services):
            named = f"{execution.id} ({execution.func} version {_version(execution)})"
            raise AssertionError(f"{named} does not replay: {problem} {_WHAT_TO_DO}")


def _check_goes_on_with(fn: Workflow[..., Any], root: PromiseRecord) -> None:
    name, version = root.func, _version(root)
    try:
        found = registry.get(name, version)
    except FunctionNotFound as missing:
        raise AssertionError(
            f"{root.id} would be halted: {missing} If {fn!r} can replay it, say so by .replaces({name!r}, "
            f"version={version}); otherwise keep the function that it began with."
        ) from None
    if found.fn is not fn.fn:
        raise AssertionError(f"{root.id} goes on with {found!r} ({found.source}), not with {fn!r} ({fn.source}).")


def _version(execution: PromiseRecord) -> int:
    return int(execution.tags.get("countersign:version", 1))


def _problem(recorded: History, execution: PromiseRecord, services: Mapping[str, Any]) -> str:
    """Why an execution does not replay; '' when it does."""
    store = RecordedStore(execution, recorded.seen_by(execution))
    acquired = store.acquire(execution.id)
    if acquired is None:  # its time was over before it could begin
        return ""
    return Rehearsal(store, acquired, services).problem(execution, recorded.tasks[execution.id].state)


class RecordedStore(MemoryStore):
    """A copy of what is recorded, with the execution ready to be taken up; its time stands still."""

    is_durable = True  # as where it was recorded: the body shall take the same path

    def __init__(self, execution: PromiseRecord, below: list[PromiseRecord]) -> None:
        super().__init__(lambda: execution.created_at)
        self.create(NewPromise(execution.id, execution.timeout_at, execution.param, execution.tags))
        self.promises.update({promise.id: promise for promise in below})


class Rehearsal(Activation):
    """An activation that follows the record; what goes beyond it is noted, and never answered."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.beyond: list[Operation] = []

    def problem(self, execution: PromiseRecord, task_state: str) -> str:
        """What is wrong with the replay of an execution whose task was in this state; '' when it goes as recorded."""
        store = self.store
        assert isinstance(store, RecordedStore)
        if finish(activate(self, registry)) == "halted":
            return store.tasks[execution.id].halt_reason
        ended = store.promises[execution.id]
        if missing := unasked(self.recorded, self.asked):
            return missing if ended.is_pending else f"{missing} It now {_stand(ended)}."
        if task_state not in (TaskState.SUSPENDED, TaskState.FULFILLED) or execution.state in CUT_OFF:
            return ""  # it was under way: what comes beyond the record is what it would have gone on with
        if self.beyond:
            asked = ", ".join(f"{operation.id} ({operation.func})" for operation in self.beyond[:5])
            return f"It {_stand(execution)}, by the record; the code now goes on to {asked}."
        if _stand(ended) != _stand(execution):
            return f"It {_stand(execution)}, by the record; by the code it now {_stand(ended)}."
        return ""

    def _queue(self, operation: Operation, *, is_recorded: bool) -> None:
        is_new = operation.kind is Kind.REMOTE or (operation.kind is Kind.LEAF and operation.options.durable)
        if is_new and not is_recorded:
            self.beyond.append(operation)
        else:
            super()._queue(operation, is_recorded=is_recorded)

    def _end_nested(self, body: Body) -> None:
        assert body.operation is not None
        if body.operation.options.durable:
            self.beyond.append(body.operation)
        else:
            super()._end_nested(body)

    def _wait_for_others(self) -> bool:
        return False if self.beyond else super()._wait_for_others()


def _stand(execution: PromiseRecord) -> str:
    if execution.is_pending:
        return "waits"
    return f"ended {execution.state} with {display(execution.value.data)!r}"
