"""The rows of a new request: what is asked, frozen, and whom it concerns. Called by `approval_open`."""

from approvals.cards import Card, request_id
from approvals.models import ApprovalRequest, RequestAudience, Role
from approvals.policies import Policy
from promises.times import NEVER


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
