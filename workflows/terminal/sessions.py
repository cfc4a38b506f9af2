"""One run at the terminal: the workflow goes on in threads, while this one shows it and asks the person."""

import json
import threading
from argparse import Namespace
from collections.abc import Iterator
from concurrent.futures import Future
from typing import TextIO

from promises.records import PromiseRecord
from promises.states import PromiseState, TaskState
from promises.values import display
from workflows.errors import InvalidId
from workflows.local import Halted, Runner, deadline
from workflows.terminal.answerers import Question, made
from workflows.terminal.arguments import arguments_of
from workflows.terminal.asking import Asked
from workflows.terminal.errors import CannotRun
from workflows.terminal.screen import Screen
from workflows.terminal.source import NEEDS_DJANGO, workflow_at
from workflows.terminal.views import Lines, RedrawnTree, View
from workflows.tree import Node, call_tree, error_of, node_of

RESOLVED, FAILED, USAGE, UNANSWERED, INTERRUPTED = 0, 1, 2, 3, 130
LOOK_SECONDS = 0.1


class Unanswered(Exception):
    """It waits for an answer, and nobody can be asked any more."""


class Session:
    """`options` are those of the command line. Errors: CannotRun, before anything runs."""

    def __init__(self, screen: Screen, options: Namespace) -> None:
        function = workflow_at(options.address)
        args, kwargs = arguments_of(function, options.arguments, options.kw)
        is_plain = options.plain or options.verbose or not screen.is_terminal
        self.screen = screen
        self.view: View = Lines(screen) if is_plain else RedrawnTree(screen)
        answerers = made()
        self.asked = Asked(self.view.store, list(answerers.values()))
        self.runner = Runner(self.view.store, services=answerers, observers=[self.view])
        try:
            self.id = self.runner.create(
                function,
                args,
                kwargs,
                id=options.id,
                requester=options.requester,
                timeout_at=deadline(options.timeout),
            )
        except InvalidId as error:
            raise CannotRun(str(error)) from None

    def run(self, result: TextIO) -> int:
        """Go on until it is over; writes the result there. The exit code."""
        try:
            with self.view.running(self.id):
                ended = self._follow()
        except KeyboardInterrupt:
            return self._left(INTERRUPTED, "Interrupted")
        except Unanswered:
            return self._left(UNANSWERED, "Nobody answers: the input has ended")
        except Halted as halted:
            return self._failed(str(halted))
        except Exception as broken:
            return self._failed(f"{self.id} broke off: {type(broken).__name__}: {broken}")
        if ended.state != PromiseState.RESOLVED:
            return self._failed(f"{self.id} {node_of(ended, self.view.store).state}{self._reason(ended)}")
        result.write(json.dumps(display(ended.value.data), indent=2, ensure_ascii=False) + "\n")
        return RESOLVED

    def _follow(self) -> PromiseRecord:
        """Show what happens and ask what is asked, until it is over. Raises Unanswered, and what the run raises."""
        done: Future[PromiseRecord] = Future()
        threading.Thread(target=self._work, args=(done,), name="local-mode", daemon=True).start()
        can_ask = True
        while not done.done():
            self.view.refresh()
            is_stuck = self._is_stuck()
            question = next(self.asked.questions(), None)
            if question is not None and can_ask:
                can_ask = self._ask(question)
            elif is_stuck:
                raise Unanswered
            else:
                with self.view.store.changed:
                    self.view.store.changed.wait(LOOK_SECONDS)
        return done.result()

    def _is_stuck(self) -> bool:
        """Whether only an answer can make it go on. (One that has ended or is halted is about to be reported.)"""
        store = self.view.store
        with store.changed:
            is_halted = any(task.state == TaskState.HALTED for task in store.tasks.values())
            return store.is_idle() and not is_halted and self.runner.promise(self.id).is_pending

    def _ask(self, question: Question) -> bool:
        """False when nothing more can be asked, because the input has ended."""
        with self.view.aside():
            try:
                question.ask(self.screen)
            except EOFError:
                self.screen.say("The input has ended: nothing more is asked.", "yellow")
                return False
        return True

    def _work(self, done: "Future[PromiseRecord]") -> None:
        try:
            ended = self.runner.run_until_settled(self.id)
            self.runner.run_until_idle()
            done.set_result(ended)
        except BaseException as error:
            done.set_exception(error)

    def _failed(self, message: str) -> int:
        self.screen.say(message, "bold red")
        return FAILED

    def _reason(self, ended: PromiseRecord) -> str:
        reason = error_of(ended)
        if reason.partition(":")[0] in NEEDS_DJANGO:
            reason += (
                " Local mode sets up no Django: run this workflow in durable mode, or give the step another store."
            )
        return f": {reason}" if reason else ""

    def _left(self, code: int, why: str) -> int:
        self.screen.say(f"{why}. Nothing is kept of {self.id}. What was pending:", "bold")
        for node in _pending(call_tree(self.view.store, self.id, self.view.nodes())):
            self.screen.say(f"  {node.id} {node.words()}")
        return code


def _pending(node: Node) -> Iterator[Node]:
    """The calls that others wait for."""
    below = [found for child in node.children for found in _pending(child)]
    yield from below
    if not below and not node.is_over:
        yield node
