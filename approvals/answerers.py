"""Who carries a workflow's requests to people and answers back: the application's own tables here, virtual people in
`testing.py`."""

from typing import Any, Protocol

from approvals.answers import Decision
from approvals.cards import request_id
from workflows.stores.base import Store


class Answerer(Protocol):
    """Its methods are called in steps: a call may be repeated, and changes nothing then.

    `keeps_deadlines`: it settles the promise when a request's time is over; else the promise's own deadline does.
    """

    keeps_deadlines: bool

    def bind(self, store: Store) -> None:
        """Told where the promises are, before the first request."""

    def open_request(self, promise_id: str, execution_id: str, workflow: str, card: dict[str, Any]) -> str:
        """Show the request to those it asks. Returns its id."""

    def revise_request(self, promise_id: str, revision: int, card: dict[str, Any]) -> bool:
        """Ask this instead; `revision` counts from 1. False when the request was closed before."""

    def withdraw_request(self, promise_id: str, reason: str) -> bool:
        """Take the question back. False when it was closed before, in another way."""

    def read_decision(self, promise_id: str) -> Decision:
        """What was decided, once the promise has settled; input and value as JSON."""

    def url(self, path: str) -> str:
        """The address of a page."""


class DurableAnswerer:
    """The people who sign in: requests are rows, and `approvals.operations` writes them."""

    keeps_deadlines = True

    def bind(self, store: Store) -> None:
        pass

    def open_request(self, promise_id: str, execution_id: str, workflow: str, card: dict[str, Any]) -> str:
        from approvals import operations
        from promises.times import now_ms

        opened = operations.approval_open(promise_id, card, execution_id=execution_id, workflow=workflow, now=now_ms())
        return str(opened.id)

    def revise_request(self, promise_id: str, revision: int, card: dict[str, Any]) -> bool:
        from approvals import operations
        from promises.times import now_ms

        return operations.approval_revise(request_id(promise_id), card, revision=revision, now=now_ms())

    def withdraw_request(self, promise_id: str, reason: str) -> bool:
        from approvals import operations
        from approvals.errors import AlreadyDecided, RequestClosed
        from promises.times import now_ms

        try:
            operations.approval_withdraw(request_id(promise_id), by="", reason=reason, channel="workflow", now=now_ms())
        except (AlreadyDecided, RequestClosed):
            return False
        return True

    def read_decision(self, promise_id: str) -> Decision:
        from approvals import operations
        from promises.times import now_ms

        return operations.approval_answer(promise_id, now=now_ms())

    def url(self, path: str) -> str:
        from django.conf import settings

        return f"{settings.PROMISES['PUBLIC_URL']}{path}"


DURABLE = DurableAnswerer()
