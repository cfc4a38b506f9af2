"""Who carries a workflow's questions to the person at the terminal. Packages that workflows are written with, such as
approvals, name theirs here; the command gives it to the workflow as a service."""

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from promises.records import PromiseRecord

if TYPE_CHECKING:
    from workflows.terminal.screen import Screen

# The service's name -> "module:class" of its Answerer. Filled when a workflow's file imports those packages.
answerers: dict[str, str] = {}


class Question(Protocol):
    """Something to answer."""

    title: str

    def is_open(self) -> bool:
        """Whether an answer still counts."""

    def ask(self, screen: "Screen") -> None:
        """Ask, and carry the answer back; or return when it is not open any more. Raises EOFError."""


class Answerer(Protocol):
    """Made without arguments, once for a run."""

    def owns(self, promise: PromiseRecord) -> bool:
        """Whether this latent promise is for it to settle."""

    def questions(self) -> Sequence[Question]:
        """What waits to be answered now, oldest first."""


def made() -> dict[str, Answerer]:
    """An Answerer for each service that is known now."""
    found = {}
    for service, address in answerers.items():
        module, _, name = address.partition(":")
        found[service] = getattr(import_module(module), name)()
    return found
