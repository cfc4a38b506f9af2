"""People deciding: requests, policies, ballots and decisions, and the one awaitable that a workflow needs of them.

Importing this needs no Django settings, so that a workflow runs in local mode too.
"""

from approvals.answers import BallotRecord, Decision
from approvals.blocks import code, diff, facts, link, markdown, metric, table
from approvals.cards import after
from approvals.outcomes import Outcome, approve, reject, request_changes
from approvals.policies import Policy, all_of, any_of, n_of, percent_of, requester, same_person_twice
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
    "code",
    "diff",
    "facts",
    "link",
    "markdown",
    "metric",
    "n_of",
    "percent_of",
    "reject",
    "request_changes",
    "requester",
    "same_person_twice",
    "table",
]
