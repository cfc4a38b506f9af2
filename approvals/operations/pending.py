"""What every verb begins with that works on a request which is still open."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from approvals import queries
from approvals.errors import NotEligible
from approvals.models import ApprovalRequest
from approvals.operations.closing import close_if_over, closed_error
from approvals.operations.locks import promise_lock, request_lock
from approvals.people import may_operate


@contextmanager
def pending_request(id: UUID | str, actor: Any, now: int) -> Iterator[ApprovalRequest]:
    """The request, locked with its promise in a transaction of its own, for somebody whom it concerns. One that is over
    is closed and committed first; then nothing is done.

    Errors: RequestNotFound, NotEligible, AlreadyDecided (by whom, when), RequestClosed.
    """
    with transaction.atomic():
        request = request_lock(id)
        concern_check(request, actor, now)
        if request.is_pending and close_if_over(request, promise_lock(request), now) is None:
            yield request
            return
    raise closed_error(request)


def concern_check(request: ApprovalRequest, actor: Any, now: int) -> None:
    """Whom a request does not concern learns nothing of it. Errors: NotEligible."""
    if not (may_operate(actor) or queries.can_see(actor, request, now)):
        raise NotEligible(_("This request for approval does not concern you."))
