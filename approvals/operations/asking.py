"""Asking without a workflow: a program's own promise, and the request that settles it, in one commit."""

import uuid

from django.db import transaction
from django.utils.translation import gettext as _

from approvals.cards import Card, request_id
from approvals.errors import AskedDifferently
from approvals.models import ApprovalRequest
from approvals.operations.opening import approval_open
from promises import store
from promises.times import NEVER
from promises.values import Value

TAG = "countersign:approval"
_NAMESPACE = uuid.UUID("c1c3a0de-5b0e-5c53-8d35-4b2f6d1f9b7e")


def approval_ask(card: Card, *, key: str, now: int) -> tuple[ApprovalRequest, bool]:
    """The request, and whether it is new: the same requester's same `key` finds what was asked with it before; without
    a key every call asks anew. The deadline of the card is the request's; the promise itself waits for ever.

    Errors: AskedDifferently (the key stands for another question), InvalidCard, InvalidPolicy.
    """
    name = uuid.uuid5(_NAMESPACE, f"{card.requester}\n{key}") if key else uuid.uuid4()
    id = f"asked-{name}"
    param = Value.of({"question": card.title, "digest": card.digest})
    with transaction.atomic():
        promise, is_new = store.promise_create(id, timeout_at=NEVER, now=now, param=param, tags={TAG: "1"})
        if not is_new and promise.param != param:
            raise AskedDifferently(_("This Idempotency-Key stands for another question; nothing was asked."))
        if not is_new:
            return ApprovalRequest.objects.get(pk=request_id(id)), False
        return approval_open(id, card.to_json(), now=now), True
