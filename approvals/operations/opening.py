"""How a request begins: what is asked, frozen, and the rows that say whom it concerns."""

from dataclasses import replace
from typing import Any

from django.db import transaction

from approvals.audit import event_append
from approvals.cards import Card, card_of, request_id
from approvals.models import ApprovalRequest, RequestAudience
from approvals.operations.audience import audience_rows
from approvals.operations.closing import WORKFLOW, close_if_over
from approvals.operations.locks import promise_lock
from approvals.operations.reminding import alarms_set
from approvals.operations.tallying import tally
from approvals.policy_versions import policy_in_force


def approval_open(
    promise_id: str, card: dict[str, Any], *, now: int, execution_id: str = "", workflow: str = ""
) -> ApprovalRequest:
    """Show a request to those it asks; `card` is `Card.to_json()`. The promise must exist. Opening it again returns
    it as it is.

    Locks the new request, then the promise. Errors: InvalidCard, PromiseNotFound.
    """
    asked = card_of(card)
    asked = replace(asked, policy=policy_in_force(asked.policy))
    with transaction.atomic():
        request = request_insert(promise_id, asked, execution_id or promise_id.partition(":")[0], workflow, now)
        if request is None:
            return ApprovalRequest.objects.get(pk=request_id(promise_id))
        RequestAudience.objects.bulk_create(audience_rows(request, asked.policy))
        event_append(
            str(request.pk),
            "opened",
            now=now,
            actor=asked.requester,
            channel=WORKFLOW,
            data={
                "promise": promise_id,
                "execution": request.execution_id,
                "workflow": workflow,
                "title": asked.title,
                "risk": asked.risk,
                "digest": asked.digest,
                "policy": request.policy,
                "outcomes": request.outcomes,
                "deadline_at": request.deadline_at,
                "timeout_outcome": request.timeout_outcome,
            },
        )
        if close_if_over(request, promise_lock(request), now) is None:
            alarms_set(request, asked.policy)
            tally(request, [], now, event="opened")
    return request


def request_insert(promise_id: str, card: Card, execution_id: str, workflow: str, now: int) -> ApprovalRequest | None:
    """The new row, or None when there is one already."""
    content = card.content()
    request = ApprovalRequest(
        id=request_id(promise_id),
        promise_id=promise_id,
        execution_id=execution_id,
        workflow=workflow,
        title=card.title,
        requester=card.requester,
        policy=content["policy"],
        policy_name=card.policy.name,
        outcomes=content["outcomes"],
        blocks=content["blocks"],
        form=content["form"],
        proposal=content["proposal"],
        previous=card.previous or None,
        note=card.note,
        risk=card.risk,
        digest=card.digest,
        opened_at=now,
        deadline_at=card.deadline_from(now),
        timeout_outcome=card.timeout_outcome,
    )
    if ApprovalRequest.objects.filter(pk=request.pk).exists():
        return None
    # A concurrent opening waits here for the commit of the first one.
    ApprovalRequest.objects.bulk_create([request], ignore_conflicts=True)
    locked = ApprovalRequest.objects.select_for_update().get(pk=request.pk)
    return locked if not locked.audience.exists() else None
