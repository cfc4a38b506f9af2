"""Whom a request concerns, as the rows that lists and visibility are asked by."""

from approvals.models import ApprovalRequest, RequestAudience, Role
from approvals.policies import Policy
from promises.times import NEVER


def audience_rows(request: ApprovalRequest, policy: Policy) -> list[RequestAudience]:
    """A row for each principal and what the request wants of it."""
    wanted: dict[tuple[str, str], None] = {}
    for stage in range(len(policy.stages)):
        role = Role.DECIDE if stage == request.stage else Role.LATER
        wanted |= {(principal, role): None for principal in policy.principals(stage)}
    wanted |= {(principal, Role.VETO): None for principal in policy.veto}
    barred = [*policy.barred]
    if request.requester:
        wanted[f"user:{request.requester}", Role.ASKED] = None
    if policy.excludes_requester and request.requester:
        barred.append(f"user:{request.requester}")
    wanted |= {(principal, Role.NEVER): None for principal in barred}
    return [audience_row(request, principal, role) for principal, role in wanted]


def audience_row(request: ApprovalRequest, principal: str, role: str) -> RequestAudience:
    due_at = NEVER if request.deadline_at is None else request.deadline_at
    return RequestAudience(request=request, principal=principal, role=role, due_at=due_at, opened_at=request.opened_at)
