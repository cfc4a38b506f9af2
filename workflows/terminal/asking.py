"""What is asked in a run: by the answerers, and of latent promises, which the world outside would settle elsewhere."""

import json
from collections.abc import Iterator, Sequence

from promises.records import PromiseRecord
from promises.times import NEVER
from promises.values import Value, display
from workflows.errors import RemoteError, error_to_json
from workflows.stores.memory import MemoryStore
from workflows.terminal.answerers import Answerer, Question
from workflows.terminal.arguments import value_of
from workflows.terminal.screen import Screen


class Asked:
    """Everything that waits for the person at the terminal."""

    def __init__(self, store: MemoryStore, answerers: Sequence[Answerer]) -> None:
        self._store = store
        self._answerers = answerers

    def questions(self) -> Iterator[Question]:
        """What is open now: the answerers' first."""
        for answerer in self._answerers:
            yield from answerer.questions()
        with self._store.changed:
            latent = [p for p in self._store.promises.values() if p.is_pending and _is_external(p)]
        for promise in latent:
            if not any(answerer.owns(promise) for answerer in self._answerers):
                yield LatentPromise(self._store, promise)


class LatentPromise:
    """A promise that nobody else settles here."""

    def __init__(self, store: MemoryStore, promise: PromiseRecord) -> None:
        self._store = store
        self._promise = promise
        data = display(promise.param.data)
        self.title = promise.id if data is None else f"{promise.id} {json.dumps(data, ensure_ascii=False)}"

    def is_open(self) -> bool:
        found = self._store.get(self._promise.id)
        return found is not None and found.is_pending

    def ask(self, screen: Screen) -> None:
        until = f" until {screen.moment(self._promise.timeout_at)}" if self._promise.timeout_at < NEVER else ""
        screen.say(f"{self.title} waits for a value from outside{until}.", "cyan")
        typed = screen.read("The value (JSON or text; !TEXT is an error):", while_=self.is_open)
        if typed is not None:
            self._store.settle(self._promise.id, *_settlement(typed))


def _settlement(typed: str) -> tuple[str, Value]:
    if typed.startswith("!"):
        return "rejected", Value.of(error_to_json(RemoteError(typed[1:].strip(), "Error")))
    return "resolved", Value.of(value_of(typed))


def _is_external(promise: PromiseRecord) -> bool:
    return promise.tags.get("resonate:external") == "true"
