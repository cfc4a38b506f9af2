"""Every write of requests and decisions. `approval_decide` is the only writer of a decision by people; pages, REST,
commands and links all call it, and no rule lives in a channel.

Locks: the request's row first, then its promise. `now` is ms since the epoch, read at the edge.
"""

from approvals.operations.answering import approval_answer
from approvals.operations.closing import approval_withdraw, approvals_expire
from approvals.operations.deciding import Vote, approval_decide
from approvals.operations.opening import approval_open

__all__ = [
    "Vote",
    "approval_answer",
    "approval_decide",
    "approval_open",
    "approval_withdraw",
    "approvals_expire",
]
