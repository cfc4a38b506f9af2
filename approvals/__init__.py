"""People deciding: requests, policies, ballots and decisions, and the one awaitable that a workflow needs of them.

Importing this needs no Django settings, so that a workflow runs in local mode too.
"""

from approvals.answers import BallotRecord, Decision
from approvals.blocks import code, diff, facts, link, markdown, metric, table
from approvals.calendars import calendar_register
from approvals.durations import after
from approvals.outcomes import Outcome, approve, reject, request_changes
from approvals.policies import Policy, requester, same_person_twice
from approvals.registry import policy_register
from approvals.requirements import all_of, any_of, n_of, percent_of
from approvals.steps import approval

__all__ = [
    "BallotRecord",
    "Decision",
    "Outcome",
    "Policy",
    "after",
    "all_of",
    "any_of",
    "approval",
    "approve",
    "calendar_register",
    "code",
    "diff",
    "facts",
    "link",
    "markdown",
    "metric",
    "n_of",
    "percent_of",
    "policy_register",
    "reject",
    "request_changes",
    "requester",
    "same_person_twice",
    "table",
]
