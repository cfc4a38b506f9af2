"""Whether somebody may decide one request now: its policy, its ballots and the accounts as the database has them, put
before the rules. `approval_decide` enforces by this, and pages and REST explain by it."""

from collections.abc import Sequence
from typing import Any

from approvals import rules
from approvals.delegations import delegators_of
from approvals.models import ApprovalRequest, Ballot
from approvals.people import voter_of
from approvals.rules import Eligibility, Standing


def eligibility_of(
    request: ApprovalRequest,
    user: Any,
    ballots: Sequence[Ballot],
    now: int,
    *,
    is_person: bool = True,
    on_behalf_of: str = "",
) -> Eligibility:
    """Every rule of the request's policy for this user. `is_person` is False for a token that acts for a machine;
    `on_behalf_of` asks whether he may decide in the place of that person, and no other."""
    policy = request.thawed_policy
    voter = voter_of(user, policy, is_person=is_person)
    delegators = [voter_of(account, policy) for account in delegators_of(user, now)]
    standing = Standing([ballot.as_cast for ballot in ballots], request.requester, request.stage, request.claimant(now))
    return rules.eligibility(policy, voter, standing, delegators, on_behalf_of=on_behalf_of)
