"""Settling a promise from outside: the first answer stands, the same answer again is welcome, another one is told
what stands."""

from typing import Any

from django.utils.translation import gettext as _

from promises import store
from promises.api.outputs import iso, shown_value
from promises.problems import Problem
from promises.records import PromiseRecord
from promises.states import PromiseState
from promises.values import Value

APPROVAL_TAG = "countersign:approval"


def promise_answer(id: str, state: str, value: Value, *, now: int) -> PromiseRecord:
    """Settle the promise and return it; also when it was settled just so before.

    409 (with the record as `promise`) when it was settled differently, 403 for the promise of an approval: that is
    a person's decision, and only the approval's own function may write it. Tags never change, so looking at them
    first races with nobody.
    """
    refuse_approval(store.promise_get(id, now=now))
    if state == PromiseState.REJECTED_CANCELED:
        settled = store.graph_cancel(id, value, now=now)
    else:
        settled = store.promise_settle(id, state, value, now=now)
    if settled.state == state and shown_value(settled.value) == shown_value(value):
        return settled
    raise already_settled(settled)


def refuse_approval(promise: PromiseRecord) -> None:
    if promise.tags.get(APPROVAL_TAG):
        detail = _("This promise belongs to an approval. Decide it under /api/approvals/, where its rules are kept.")
        raise Problem(403, "ApprovalPromise", detail)


def already_settled(settled: PromiseRecord) -> Problem:
    """The 409 that says what stands."""
    if settled.state == PromiseState.REJECTED_TIMEDOUT:
        detail = _("The deadline of this promise passed at %(at)s.") % {"at": iso(settled.settled_at)}
    else:
        words = {"state": settled.state, "at": iso(settled.settled_at)}
        detail = _("This promise was settled differently: %(state)s at %(at)s.") % words
    return Problem(409, "AlreadySettled", detail, promise=settled_document(settled))


def settled_document(settled: PromiseRecord) -> dict[str, Any]:
    """What stands, in short."""
    return {
        "id": settled.id,
        "state": str(settled.state),
        "value": shown_value(settled.value),
        "settled_at": iso(settled.settled_at),
    }
