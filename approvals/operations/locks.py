"""The locks that every operation takes, in this order: the request's row, then its promise."""

from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from approvals.errors import RequestNotFound
from approvals.models import ApprovalRequest
from promises.errors import PromiseNotFound
from promises.models import Promise


def request_lock(id: UUID | str) -> ApprovalRequest:
    """The request, locked. Errors: RequestNotFound."""
    try:
        return ApprovalRequest.objects.select_for_update().get(pk=id)
    except (ApprovalRequest.DoesNotExist, ValidationError, ValueError):
        raise RequestNotFound(_("There is no such request for approval.")) from None


def promise_lock(request: ApprovalRequest) -> Promise:
    """Its promise, locked; the caller holds the request. Errors: PromiseNotFound."""
    try:
        return Promise.objects.select_for_update().only("id", "state", "timeout_at").get(pk=request.promise_id)
    except Promise.DoesNotExist:
        raise PromiseNotFound(f"Promise not found: {request.promise_id}") from None


def is_uuid(text: str) -> bool:
    """Whether a row could have this key: PostgreSQL would fail on any other text."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
