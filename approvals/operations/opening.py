"""How a request begins: what is asked, frozen, and the rows that say whom it concerns."""

from typing import Any

from django.db import transaction

from approvals.audit import event_append
from approvals.cards import Card, card_of, request_id
from approvals.models import ApprovalRequest, RequestAudience, Role
from approvals.operations.closing import WORKFLOW, close_if_over, pages_tell
from approvals.operations.locks import promise_lock
from approvals.policies import Policy
from promises.times import NEVER


def approval_open(
    promise_id: str, card: dict[str, Any], *, now: int, execution_id: str = "", workflow: str = ""
) -> ApprovalRequest:
    """Show a request to those it asks; `card` is `Card.to_json()`. The promise must exist. Opening it again returns
    it as it is.

    Locks the new request, then the promise. Errors: InvalidCard, PromiseNotFound.
    """
    asked = card_of(card)
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
                "title": asked.title,
                "digest": asked.digest,
                "deadline_at": request.deadline_at,
            },
        )
        if close_if_over(request, promise_lock(request), now) is None:
            pages_tell(request, "opened")
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
        risk=card.risk,
        digest=card.digest,
        opened_at=now,
        deadline_at=None if card.timeout_ms is None else now + card.timeout_ms,
        timeout_outcome=card.timeout_outcome,
    )
    if ApprovalRequest.objects.filter(pk=request.pk).exists():
        return None
    # A concurrent opening waits here for the commit of the first one.
    ApprovalRequest.objects.bulk_create([request], ignore_conflicts=True)
    locked = ApprovalRequest.objects.select_for_update().get(pk=request.pk)
    return locked if not locked.audience.exists() else None


def audience_rows(request: ApprovalRequest, policy: Policy) -> list[RequestAudience]:
    wanted: dict[tuple[str, str], None] = {}
    for stage in range(len(policy.stages)):
        role = Role.DECIDE if stage == request.stage else Role.LATER
        wanted |= {(principal, role): None for principal in policy.principals(stage)}
    wanted |= {(principal, Role.VETO): None for principal in policy.veto}
    barred = [p for p in policy.never if ":" in p]
    if request.requester:
        wanted[f"user:{request.requester}", Role.ASKED] = None
    if policy.excludes_requester and request.requester:
        barred.append(f"user:{request.requester}")
    wanted |= {(principal, Role.NEVER): None for principal in barred}
    return [audience_row(request, principal, role) for principal, role in wanted]


def audience_row(request: ApprovalRequest, principal: str, role: str) -> RequestAudience:
    due_at = NEVER if request.deadline_at is None else request.deadline_at
    return RequestAudience(request=request, principal=principal, role=role, due_at=due_at, opened_at=request.opened_at)
