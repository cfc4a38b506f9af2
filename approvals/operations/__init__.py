"""Every write of requests and decisions. `approval_decide` is the only writer of a decision by people; pages, REST,
commands and links all call it, and no rule lives in a channel.

Locks: the request's row first, then its promise. `now` is ms since the epoch, read at the edge.
"""

from approvals.operations.answering import approval_answer
from approvals.operations.asking import approval_ask
from approvals.operations.assigning import approval_add_approver, approval_escalate, approval_reassign
from approvals.operations.claiming import approval_claim, approval_release
from approvals.operations.closing import approval_withdraw, approvals_expire
from approvals.operations.commenting import approval_comment, approval_view
from approvals.operations.deciding import Vote, approval_decide
from approvals.operations.delegating import delegation_create, delegation_revoke
from approvals.operations.editing import policy_edit
from approvals.operations.filing import file_add, file_content, file_of
from approvals.operations.opening import approval_open
from approvals.operations.overriding import MAY_OVERRIDE, approval_override
from approvals.operations.rechecking import eligibility_sweep
from approvals.operations.reminding import alarms_ring, approval_remind
from approvals.operations.revising import approval_revise, changes_since

__all__ = [
    "MAY_OVERRIDE",
    "Vote",
    "alarms_ring",
    "approval_add_approver",
    "approval_answer",
    "approval_ask",
    "approval_claim",
    "approval_comment",
    "approval_decide",
    "approval_escalate",
    "approval_open",
    "approval_override",
    "approval_reassign",
    "approval_release",
    "approval_remind",
    "approval_revise",
    "approval_view",
    "approval_withdraw",
    "approvals_expire",
    "changes_since",
    "delegation_create",
    "delegation_revoke",
    "eligibility_sweep",
    "file_add",
    "file_content",
    "file_of",
    "policy_edit",
]
