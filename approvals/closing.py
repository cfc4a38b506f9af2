"""How a request ends: decided by people or its deadline, or closed because nobody waits for it any more. The callers in
`operations.py` hold the lock of the request, and of its promise."""

import json
from typing import Any

from django.db import connection

from approvals import wording
from approvals.audit import event_append
from approvals.errors import AlreadyDecided, ApprovalError, RequestClosed
from approvals.models import ApprovalRequest, Ballot, Decision, RequestState
from promises import store
from promises.errors import PromiseNotFound
from promises.models import Promise
from promises.states import PromiseState
from promises.times import to_datetime
from promises.values import Value

CHANNEL = "countersign_approvals"  # PostgreSQL's NOTIFY for open pages
TIMER, WORKFLOW = "timer", "workflow"  # the channels that are not people's


def close_if_over(request: ApprovalRequest, promise: Promise, now: int) -> str | None:
    """Close a pending request whose promise is settled or whose deadline has come; returns the state, or None if it is
    still open. The caller holds both locks."""
    if promise.state != PromiseState.PENDING:
        request_cancel(request, _REASONS.get(str(promise.state), wording.SETTLED_OUTSIDE), now)
    elif promise.timeout_at <= now:  # the clock is about to settle it
        request_cancel(request, wording.EXECUTION_OVER, now)
    elif request.deadline_at is not None and request.deadline_at <= now:
        ballots = list(request.ballots.filter(version=request.version))
        request_decide(
            request, request.timeout_outcome, ballots, by="", comment="", channel=TIMER, now=now, is_timeout=True
        )
    else:
        return None
    return request.state


_REASONS: dict[str, str] = {
    PromiseState.REJECTED_CANCELED: wording.EXECUTION_CANCELED,
    PromiseState.REJECTED_TIMEDOUT: wording.EXECUTION_OVER,
}


def request_decide(
    request: ApprovalRequest,
    outcome: str,
    ballots: list[Ballot],
    *,
    by: str,
    comment: str,
    channel: str,
    now: int,
    is_timeout: bool = False,
) -> None:
    """Write the decision and settle the promise. The caller holds both locks and has seen that both are pending."""
    offered = request.outcome_named(outcome)
    decision = Decision.objects.create(
        request=request,
        outcome=outcome,
        kind=offered.kind if offered else "custom",
        by=by,
        comment=comment,
        channel=channel,
        is_timeout=is_timeout,
        digest=request.digest,
        decided_at=now,
    )
    request.outcome = outcome
    _close(request, RequestState.TIMED_OUT if is_timeout else RequestState.DECIDED, by=by, now=now)
    event_append(
        str(request.pk),
        "timed_out" if is_timeout else "decided",
        now=now,
        actor=by,
        channel=channel,
        data={"outcome": outcome, "digest": request.digest},
    )
    value = Value.of(_settled_value(request, decision, ballots))
    store.promise_settle(request.promise_id, PromiseState.RESOLVED, value, now=now)
    pages_tell(request, "timed_out" if is_timeout else "decided")


def _settled_value(request: ApprovalRequest, decision: Decision, ballots: list[Ballot]) -> dict[str, Any]:
    """What the promise resolves with, for those who await it without the approvals app."""
    return {
        "request": str(request.pk),
        "outcome": decision.outcome,
        "comment": decision.comment,
        "by": decision.by or None,
        "timed_out": decision.is_timeout,
        "decided_at": _iso(decision.decided_at),
        "digest": decision.digest,
        "ballots": [
            {"by": b.actor, "outcome": b.outcome, "comment": b.comment, "at": _iso(b.cast_at)} for b in ballots
        ],
    }


def request_cancel(
    request: ApprovalRequest, because: str, now: int, *, by: str = "", channel: str = WORKFLOW, reason: str = ""
) -> None:
    request.closed_because = because
    _close(request, RequestState.CANCELED, by=by, now=now)
    event_append(
        str(request.pk), "canceled", now=now, actor=by, channel=channel, data={"because": because, "reason": reason}
    )
    pages_tell(request, "canceled")


def _close(request: ApprovalRequest, state: RequestState, *, by: str, now: int) -> None:
    request.state, request.decided_at, request.decided_by, request.is_stalled = state.value, now, by, False
    request.save(
        update_fields=["state", "outcome", "decided_at", "decided_by", "is_stalled", "closed_because", "stage"]
    )
    request.audience.update(is_open=False, closed_at=now)


def closed_error(request: ApprovalRequest) -> ApprovalError:
    """Why nothing can be decided any more: by whom and when it was."""
    if request.state == RequestState.CANCELED:
        return RequestClosed(wording.of_closing(request))
    return AlreadyDecided(
        wording.of_closing(request),
        by=request.decided_by,
        at=to_datetime(request.decided_at),
        outcome=request.outcome,
    )


def promise_lock(request: ApprovalRequest) -> Promise:
    try:
        return Promise.objects.select_for_update().only("id", "state", "timeout_at").get(pk=request.promise_id)
    except Promise.DoesNotExist:
        raise PromiseNotFound(f"Promise not found: {request.promise_id}") from None


def pages_tell(request: ApprovalRequest, event: str) -> None:
    payload = json.dumps({"request": str(request.pk), "event": event})
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, payload])


def _iso(ms: int) -> str:
    return str(moment_of(ms).isoformat())


def moment_of(ms: int | None) -> Any:
    """An aware datetime of a time that is within the calendar."""
    return to_datetime(ms)
