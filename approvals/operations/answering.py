"""What a workflow gets back: the record of a decision, read by the promise that it settled."""

from django.db import transaction

from approvals.answers import BallotRecord
from approvals.answers import Decision as Answer
from approvals.errors import ApprovalError, RequestNotFound
from approvals.models import ApprovalRequest, Decision, RequestState
from approvals.operations.closing import close_if_over, moment_of
from approvals.operations.locks import promise_lock


def approval_answer(promise_id: str, *, now: int) -> Answer:
    """What a workflow gets: what was recorded about the request of this promise, never the promise's own value.

    A request that is still open although its promise is settled was bypassed, and is closed here. Errors:
    RequestNotFound.
    """
    with transaction.atomic():
        request = ApprovalRequest.objects.select_for_update().filter(promise_id=promise_id).first()
        if request is None:
            raise RequestNotFound
        if request.is_pending and close_if_over(request, promise_lock(request), now) is None:
            raise ApprovalError(f"The request {request.pk} is still open.")
        decision = Decision.objects.filter(request=request).first()
        ballots = tuple(
            BallotRecord(ballot.actor, ballot.outcome, ballot.comment, moment_of(ballot.cast_at), ballot.input)
            for ballot in request.ballots.filter(version=request.version)
        )
    return Answer(
        str(request.pk),
        request.outcome,
        decision.kind if decision else "",
        timed_out=request.state == RequestState.TIMED_OUT,
        canceled=decision is None,
        by=(decision.by or None) if decision else None,
        comment=decision.comment if decision else request.closed_reason,
        input=decision.input if decision else None,
        value=decision.value if decision else None,
        receipt=decision.receipt if decision else None,
        ballots=ballots,
        digest=request.digest,
        opened_at=moment_of(request.opened_at),
        decided_at=moment_of(request.decided_at),
    )
