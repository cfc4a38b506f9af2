"""What an execution has recorded, as a document: exported from where it runs, kept beside the tests, and replayed there
against the code of the day (`assert_replays`).

    {
      "format": "countersign.history",
      "version": 1,
      "promises": [                                  the execution's own first, then its call graph, in id order
        {
          "id": "refund-17:1",
          "state": "resolved",                       pending, resolved, rejected, rejected_canceled, rejected_timedout
          "param": {"json": ...},                    or {"data": "..."}, where it is no JSON of ours; {} for none
          "value": {"json": ...},                    likewise; both may have "headers" besides
          "tags": {"countersign:func": "find_order", ...},
          "created_at": 1766480400000,               ms since the epoch
          "settled_at": 1766480400007,               null while it is pending
          "timeout_at": null                         null for no deadline
        }
      ],
      "tasks": [{"id": "refund-17", "state": "suspended", "version": 1, "halt_reason": ""}]
    }
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promises.records import PromiseRecord, TaskRecord, project
from promises.states import PromiseState, TaskState
from promises.times import NEVER
from promises.values import EMPTY, Value

FORMAT = "countersign.history"
VERSION = 1

# The states of what did not come to an end of its own.
CUT_OFF = (PromiseState.REJECTED_CANCELED, PromiseState.REJECTED_TIMEDOUT)


@dataclass(frozen=True)
class History:
    """The promises of an execution, its own first, and their tasks by id, all as they were stored at one moment."""

    promises: list[PromiseRecord]
    tasks: dict[str, TaskRecord]

    @classmethod
    def load(cls, source: "History | Mapping[str, Any] | str | Path") -> "History":
        """The history in a file, or in its document. Errors: ValueError, when it is none that this version can read."""
        if isinstance(source, History):
            return source
        return _history(source if isinstance(source, Mapping) else json.loads(Path(source).read_text(encoding="utf-8")))

    def seen_by(self, execution: PromiseRecord) -> list[PromiseRecord]:
        """The promises below an execution, as its function saw them when it last ran: deadlines that had passed by then
        applied, stored or not; pending, what settled after its end, or was canceled or out of time with it."""
        below = [p for p in self.promises if p.id.startswith((f"{execution.id}:", f"{execution.id}."))]
        end = execution.settled_at
        if end is None:
            last = max((p.settled_at or p.created_at for p in below), default=0)
            return [project(promise, last) for promise in below]
        cut_off = end if execution.state in CUT_OFF else end + 1
        seen = [project(promise, end) for promise in below]
        return [_as_of(promise, cut_off if _can_be_cut_off(promise) else end + 1) for promise in seen]

    def document(self) -> dict[str, Any]:
        """The history as JSON."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "promises": [_promise_document(promise) for promise in self.promises],
            "tasks": [_task_document(task) for task in self.tasks.values()],
        }

    def text(self) -> str:
        """The document, as it is written into a file."""
        return json.dumps(self.document(), indent=1) + "\n"


def _can_be_cut_off(promise: PromiseRecord) -> bool:
    return promise.state in CUT_OFF or promise.tags.get("resonate:timer") == "true"


def _as_of(promise: PromiseRecord, moment: int) -> PromiseRecord:
    """The promise as it was before `moment`."""
    if promise.settled_at is None or promise.settled_at < moment:
        return promise
    return replace(promise, state=PromiseState.PENDING, value=EMPTY, settled_at=None)


def _history(document: Mapping[str, Any]) -> History:
    if (document.get("format"), document.get("version")) != (FORMAT, VERSION):
        raise ValueError(f"This is no {FORMAT} of version {VERSION}; export it anew (`execution export`).")
    try:
        promises = [_promise(found) for found in document["promises"]]
        tasks = {found["id"]: _task(found) for found in document["tasks"]}
        tasks[promises[0].id]
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"This {FORMAT} is incomplete ({error!r}); export it anew (`execution export`).") from None
    return History(promises, tasks)


def _promise_document(promise: PromiseRecord) -> dict[str, Any]:
    return {
        "id": promise.id,
        "state": str(promise.state),
        "param": _value_document(promise.param),
        "value": _value_document(promise.value),
        "tags": promise.tags,
        "created_at": promise.created_at,
        "settled_at": promise.settled_at,
        "timeout_at": None if promise.timeout_at >= NEVER else promise.timeout_at,
    }


def _promise(found: Mapping[str, Any]) -> PromiseRecord:
    return PromiseRecord(
        found["id"],
        PromiseState(found["state"]),
        _value(found["param"]),
        _value(found["value"]),
        dict(found["tags"]),
        NEVER if found["timeout_at"] is None else found["timeout_at"],
        found["created_at"],
        found["settled_at"],
    )


def _task_document(task: TaskRecord) -> dict[str, Any]:
    return {"id": task.id, "state": str(task.state), "version": task.version, "halt_reason": task.halt_reason}


def _task(found: Mapping[str, Any]) -> TaskRecord:
    return TaskRecord(found["id"], TaskState(found["state"]), found["version"], halt_reason=found["halt_reason"])


def _value_document(value: Value) -> dict[str, Any]:
    headers = {} if value.headers is None else {"headers": value.headers}
    if not value.data:
        return headers
    try:
        found = value.decode()
        Value.of(found)  # no NaN, which would not be read again
    except ValueError:
        return {"data": value.data, **headers}
    return {"json": found, **headers}


def _value(found: Mapping[str, Any]) -> Value:
    if not found:
        return EMPTY
    data = Value.of(found["json"]).data if "json" in found else found.get("data")
    return Value(found.get("headers"), data)
