"""What every verb begins with that works on a request which is still open."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction

from approvals.models import ApprovalRequest
from approvals.operations.closing import close_if_over, closed_error
from approvals.operations.locks import promise_lock, request_lock


@contextmanager
def pending_request(id: UUID | str, now: int) -> Iterator[ApprovalRequest]:
    """The request, locked with its promise in a transaction of its own. One that is over is closed and committed first;
    then nothing is done.

    Errors: RequestNotFound, AlreadyDecided (by whom, when), RequestClosed.
    """
    with transaction.atomic():
        request = request_lock(id)
        if request.is_pending and close_if_over(request, promise_lock(request), now) is None:
            yield request
            return
    raise closed_error(request)
