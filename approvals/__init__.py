"""People deciding: requests, policies, ballots and decisions, and the one awaitable that a workflow needs of them.

Importing this needs no Django settings, so that a workflow runs in local mode too.
"""

from approvals.answers import BallotRecord, Decision, ItemDecision
from approvals.blocks import code, diff, facts, image, link, markdown, metric, table
from approvals.calendars import calendar_register
from approvals.durations import after
from approvals.errors import NotAnswered, NotApproved
from approvals.files import File, accepts
from approvals.guards import needs_approval
from approvals.outcomes import Outcome, approve, reject, request_changes
from approvals.policies import Policy, requester, same_person_twice
from approvals.questions import approve_each, ask, choose
from approvals.registry import policy_register
from approvals.requirements import all_of, any_of, n_of, percent_of
from approvals.steps import OpenRequest, approval

__all__ = [
    "BallotRecord",
    "Decision",
    "File",
    "ItemDecision",
    "NotAnswered",
    "NotApproved",
    "OpenRequest",
    "Outcome",
    "Policy",
    "accepts",
    "after",
    "all_of",
    "any_of",
    "approval",
    "approve",
    "approve_each",
    "ask",
    "calendar_register",
    "choose",
    "code",
    "diff",
    "facts",
    "image",
    "link",
    "markdown",
    "metric",
    "n_of",
    "needs_approval",
    "percent_of",
    "policy_register",
    "reject",
    "request_changes",
    "requester",
    "same_person_twice",
    "table",
]
