"""How a request ends: decided by people or its deadline, or closed because nobody waits for it any more. Callers of the
first part hold the lock of the request, and of its promise; the verbs at the end take them."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from approvals import channels, wording
from approvals.audit import event_append
from approvals.errors import AlreadyDecided, ApprovalError, RequestClosed
from approvals.models import ApprovalRequest, Ballot, Decision, RequestState, SettledPromise
from approvals.operations.locks import promise_lock, request_lock
from approvals.receipts import receipt_make
from promises import store
from promises.models import Promise
from promises.states import PromiseState
from promises.times import to_datetime
from promises.values import Value

CHANNEL = "countersign_approvals"  # PostgreSQL's NOTIFY for open pages
TIMER, WORKFLOW = channels.TIMER.name, channels.WORKFLOW.name


@dataclass(frozen=True, slots=True)
class Override:
    """Who decides around the policy, why, and with what input."""

    by: str
    reason: str
    input: Any = None


def close_if_over(request: ApprovalRequest, promise: Promise, now: int) -> str | None:
    """Close a pending request whose promise is settled or whose deadline has come; returns the state, or None if it is
    still open. The caller holds both locks."""
    if promise.state != PromiseState.PENDING:
        request_cancel(request, _REASONS.get(str(promise.state), wording.SETTLED_OUTSIDE), now)
    elif promise.timeout_at <= now:  # the clock is about to settle it
        request_cancel(request, wording.EXECUTION_OVER, now)
    elif request.deadline_at is not None and request.deadline_at <= now:
        ballots = list(request.ballots.filter(version=request.version))
        request_decide(request, request.timeout_outcome, ballots, decisive=None, channel=TIMER, now=now)
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
    decisive: Ballot | None,
    channel: str,
    now: int,
    override: Override | None = None,
) -> None:
    """Write the decision and settle the promise. `decisive` is the ballot that decided it; without one it is an
    override, or else the deadline. The caller holds both locks and has seen that both are pending."""
    offered = request.outcome_named(outcome)
    by, on_behalf_of, comment, input = _said(decisive, override)
    is_timeout = decisive is None and override is None
    decision = Decision.objects.create(
        request=request,
        outcome=outcome,
        kind=offered.kind if offered else "custom",
        by=by,
        on_behalf_of=on_behalf_of,
        comment=comment,
        input=input,
        value=request.proposal["value"] if request.proposal else None,
        channel=channel,
        is_timeout=is_timeout,
        is_override=override is not None,
        digest=request.digest,
        decided_at=now,
    )
    request.outcome = outcome
    kind = "overridden" if override else "timed_out" if is_timeout else "decided"
    _close(request, RequestState.TIMED_OUT if is_timeout else RequestState.DECIDED, by=by, now=now)
    data = {"outcome": outcome, "digest": request.digest, "version": request.version, "for": on_behalf_of}
    if override:
        data["reason"] = override.reason
    event = event_append(str(request.pk), kind, now=now, actor=by, channel=channel, data=data)
    decision.receipt = receipt_make(request, decision, ballots, event)
    decision.save(update_fields=["receipt"])
    value = Value.of(_settled_value(request, decision, ballots))
    store.promise_settle(request.promise_id, PromiseState.RESOLVED, value, now=now)
    pages_tell(request, kind)


def _said(decisive: Ballot | None, override: Override | None) -> tuple[str, str, str, Any]:
    """Who decides, in whose place, with which comment and which input."""
    if override:
        return override.by, "", override.reason, override.input
    if decisive:
        return decisive.actor, decisive.on_behalf_of, decisive.comment, decisive.input
    return "", "", "", None


def _settled_value(request: ApprovalRequest, decision: Decision, ballots: list[Ballot]) -> dict[str, Any]:
    """What the promise resolves with, for those who await it without the approvals app."""
    return {
        "request": str(request.pk),
        "outcome": decision.outcome,
        "comment": decision.comment,
        "input": decision.input,
        "value": decision.value,
        "by": decision.by or None,
        "timed_out": decision.is_timeout,
        "overridden": decision.is_override,
        "decided_at": _iso(decision.decided_at),
        "digest": decision.digest,
        "ballots": [
            {"by": b.actor, "outcome": b.outcome, "comment": b.comment, "at": _iso(b.cast_at)} for b in ballots
        ],
    }


def request_cancel(
    request: ApprovalRequest, because: str, now: int, *, by: str = "", channel: str = WORKFLOW, reason: str = ""
) -> None:
    request.closed_because, request.closed_reason = because, reason
    _close(request, RequestState.CANCELED, by=by, now=now)
    event_append(
        str(request.pk), "canceled", now=now, actor=by, channel=channel, data={"because": because, "reason": reason}
    )
    pages_tell(request, "canceled")


def _close(request: ApprovalRequest, state: RequestState, *, by: str, now: int) -> None:
    request.state, request.decided_at, request.decided_by, request.is_stalled = state.value, now, by, False
    request.claimed_by, request.claimed_until = "", None
    request.save(
        update_fields=[
            *("state", "outcome", "decided_at", "decided_by", "is_stalled", "stage"),
            *("closed_because", "closed_reason", "claimed_by", "claimed_until"),
        ]
    )
    request.audience.update(is_open=False, closed_at=now)
    if request.has_forms:
        request.files.filter(is_used=False).delete()
    if request.policy.get("remind") or request.policy.get("escalate"):
        request.alarms.all().delete()


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


def pages_tell(request: ApprovalRequest, event: str) -> None:
    payload = json.dumps({"request": str(request.pk), "event": event})
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, payload])


def _iso(ms: int) -> str:
    return str(moment_of(ms).isoformat())


def moment_of(ms: int | None) -> Any:
    """An aware datetime of a time that is within the calendar."""
    return to_datetime(ms)


# -- without people ---------------------------------------------------------------------------------------------------


def approvals_expire(now: int, limit: int = 200) -> int:
    """What time and others have closed: requests past their deadline get the outcome that was named for it, requests
    whose promise somebody settled are closed. At most `limit` of each; returns how many. Called by the clock."""
    due = list(ApprovalRequest.objects.due(now).values_list("pk", flat=True)[:limit])
    settled = list(SettledPromise.objects.values_list("pk", flat=True)[:limit])
    return sum(_expire(id, now) for id in due) + sum(_reconcile(promise_id, now) for promise_id in settled)


def _expire(id: UUID, now: int) -> int:
    """1 if the request was closed; 0 if somebody is deciding it at this moment, or has."""
    with transaction.atomic():
        request = ApprovalRequest.objects.select_for_update(skip_locked=True).pending().filter(pk=id).first()
        if request is None:
            return 0
        return 0 if close_if_over(request, promise_lock(request), now) is None else 1


def _reconcile(promise_id: str, now: int) -> int:
    with transaction.atomic():
        request = ApprovalRequest.objects.select_for_update().filter(promise_id=promise_id).first()
        if request is not None and request.is_pending:
            close_if_over(request, promise_lock(request), now)
        return SettledPromise.objects.filter(pk=promise_id).delete()[0]


def approval_withdraw(request_id: UUID | str, *, by: str, reason: str, channel: str, now: int) -> ApprovalRequest:
    """Take the question back: the promise is canceled, and the workflow gets a decision that is `canceled`.
    Withdrawing a request that is closed is refused, unless it was withdrawn.

    Locks the request, then its promise. Errors: RequestNotFound, AlreadyDecided, RequestClosed.
    """
    with transaction.atomic():
        request = request_lock(request_id)
        if request.closed_because == wording.WITHDRAWN:
            return request
        if request.is_pending and close_if_over(request, promise_lock(request), now) is None:
            store.promise_settle(request.promise_id, PromiseState.REJECTED_CANCELED, now=now)
            request_cancel(request, wording.WITHDRAWN, now, by=by, channel=channel, reason=reason)
            return request
    raise closed_error(request)
