"""Every write of requests and decisions. `approval_decide` is the only writer of a decision by people; pages, REST,
commands and links all call it, and no rule lives in a channel.

Locks: the request's row first, then its promise. `now` is ms since the epoch, read at the edge.
"""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext as _

from approvals import verdicts, wording
from approvals.answers import BallotRecord
from approvals.answers import Decision as Answer
from approvals.audit import event_append
from approvals.cards import Card, card_of, request_id
from approvals.errors import (
    AlreadyDecided,
    ApprovalError,
    NotEligible,
    RequestChanged,
    RequestClosed,
    RequestNotFound,
)
from approvals.models import (
    ApprovalRequest,
    Ballot,
    Decision,
    RequestAudience,
    RequestState,
    Role,
    SettledPromise,
)
from approvals.people import members_of, user_now, voter_of
from approvals.policies import Policy
from approvals.verdicts import Decided, Eligibility, Stalled
from promises import store
from promises.errors import PromiseNotFound
from promises.models import Promise
from promises.states import PromiseState
from promises.times import NEVER, to_datetime
from promises.values import Value

CHANNEL = "countersign_approvals"  # PostgreSQL's NOTIFY for open pages
TIMER, WORKFLOW = "timer", "workflow"  # the channels that are not people's


@dataclass(frozen=True, slots=True)
class Vote:
    """What became of an answer: the request as it is now, the ballot, and whether it had been given before."""

    request: ApprovalRequest
    ballot: Ballot
    is_repeated: bool = False

    @property
    def is_decided(self) -> bool:
        """Whether the request is closed by now; if not, it waits for more people."""
        return not self.request.is_pending


# -- opening ---------------------------------------------------------------------------------------------------------


def approval_open(
    promise_id: str, card: dict[str, Any], *, now: int, execution_id: str = "", workflow: str = ""
) -> ApprovalRequest:
    """Show a request to those it asks; `card` is `Card.to_json()`. The promise must exist. Opening it again returns
    it as it is.

    Locks the new request, then the promise. Errors: InvalidCard, PromiseNotFound.
    """
    asked = card_of(card)
    with transaction.atomic():
        request = _request_insert(promise_id, asked, execution_id or promise_id.partition(":")[0], workflow, now)
        if request is None:
            return ApprovalRequest.objects.get(pk=request_id(promise_id))
        RequestAudience.objects.bulk_create(_audience(request, asked.policy))
        event_append(
            str(request.pk),
            "opened",
            now=now,
            actor=asked.requester,
            channel=WORKFLOW,
            data={
                "promise": promise_id,
                "title": asked.title,
                "digest": asked.digest,
                "deadline_at": request.deadline_at,
            },
        )
        if _close_if_over(request, _promise_lock(request), now) is None:
            _notify(request, "opened")
    return request


def _request_insert(promise_id: str, card: Card, execution_id: str, workflow: str, now: int) -> ApprovalRequest | None:
    """The new row, or None when there is one already."""
    content = card.content()
    request = ApprovalRequest(
        id=request_id(promise_id),
        promise_id=promise_id,
        execution_id=execution_id,
        workflow=workflow,
        title=card.title,
        requester=card.requester,
        policy=content["policy"],
        policy_name=card.policy.name,
        outcomes=content["outcomes"],
        blocks=content["blocks"],
        risk=card.risk,
        digest=card.digest,
        opened_at=now,
        deadline_at=None if card.timeout_ms is None else now + card.timeout_ms,
        timeout_outcome=card.timeout_outcome,
    )
    if ApprovalRequest.objects.filter(pk=request.pk).exists():
        return None
    # A concurrent opening waits here for the commit of the first one.
    ApprovalRequest.objects.bulk_create([request], ignore_conflicts=True)
    locked = ApprovalRequest.objects.select_for_update().get(pk=request.pk)
    return locked if not locked.audience.exists() else None


def _audience(request: ApprovalRequest, policy: Policy) -> list[RequestAudience]:
    wanted: dict[tuple[str, str], None] = {}
    for stage in range(len(policy.stages)):
        role = Role.DECIDE if stage == request.stage else Role.LATER
        wanted |= {(principal, role): None for principal in policy.principals(stage)}
    wanted |= {(principal, Role.VETO): None for principal in policy.veto}
    barred = [p for p in policy.never if ":" in p]
    if request.requester:
        wanted[f"user:{request.requester}", Role.ASKED] = None
    if policy.excludes_requester and request.requester:
        barred.append(f"user:{request.requester}")
    wanted |= {(principal, Role.NEVER): None for principal in barred}
    return [_audience_row(request, principal, role) for principal, role in wanted]


def _audience_row(request: ApprovalRequest, principal: str, role: str) -> RequestAudience:
    due_at = NEVER if request.deadline_at is None else request.deadline_at
    return RequestAudience(request=request, principal=principal, role=role, due_at=due_at, opened_at=request.opened_at)


# -- deciding --------------------------------------------------------------------------------------------------------


def approval_decide(
    request_id: UUID | str,
    *,
    actor: Any,
    outcome: str,
    comment: str = "",
    channel: str,
    now: int,
    digest: str | None = None,
    stage: int | None = None,
    is_person: bool = True,
) -> Vote:
    """Cast a person's ballot and, when that satisfies the policy, decide: ballot, decision, audit event, settlement of
    the promise and the wake-up of the workflow commit together.

    Repeating one's own answer returns it. `digest` is that of the card the person read; `stage` the stage he answered
    in; `is_person` is False for a token that acts for a machine. Locks the request, then its promise.

    Errors: RequestNotFound, NotEligible (and AlreadyVoted), AlreadyDecided (by whom, when), RequestClosed,
    RequestChanged, UnknownOutcome, CommentRequired.
    """
    with transaction.atomic():
        request = _request_lock(request_id)
        actor = user_now(actor)
        ballots = list(request.ballots.filter(version=request.version))
        found = _eligibility(request, actor, ballots, is_person=is_person)
        if (obstacle := found.obstacle) and obstacle.name in ("person", "audience"):
            raise NotEligible(wording.of_rule(obstacle), found)
        repeated = _repeated(request, ballots, actor.get_username(), outcome, stage)
        if repeated is not None:
            return Vote(request, repeated, is_repeated=True)
        if request.is_pending and _close_if_over(request, _promise_lock(request), now) is None:
            if digest is not None and digest != request.digest:
                raise RequestChanged(_("The request has changed since you read it. Nothing was decided."))
            return _ballot_cast(
                request,
                ballots,
                found,
                name=actor.get_username(),
                outcome=outcome,
                comment=comment,
                channel=channel,
                now=now,
            )
    # Closed before, or just now: that is committed, and the person learns by whom and when.
    raise closed_error(request)


def _ballot_cast(
    request: ApprovalRequest,
    ballots: list[Ballot],
    found: Eligibility,
    *,
    name: str,
    outcome: str,
    comment: str,
    channel: str,
    now: int,
) -> Vote:
    try:
        verdicts.ballot_check(found, request.thawed_outcomes, outcome, comment)
    except ApprovalError as error:
        raise wording.translated(error) from None
    ballot = Ballot.objects.create(
        request=request,
        version=request.version,
        stage=request.stage,
        actor=name,
        matched=list(found.matched),
        outcome=outcome,
        comment=comment.strip(),
        channel=channel,
        digest=request.digest,
        cast_at=now,
    )
    RequestAudience.objects.bulk_create([_audience_row(request, f"user:{name}", Role.DONE)], ignore_conflicts=True)
    event_append(
        str(request.pk),
        "ballot",
        now=now,
        actor=name,
        channel=channel,
        data={"outcome": outcome, "comment": ballot.comment, "digest": request.digest, "as": ballot.matched},
    )
    _ballots_count(request, [*ballots, ballot], now)
    return Vote(request, ballot)


def _ballots_count(request: ApprovalRequest, ballots: list[Ballot], now: int) -> None:
    """See what the ballots say by now, and write it down."""
    policy = request.thawed_policy
    members = members_of([*policy.principals(), *(p for p in policy.never if ":" in p)])
    casts = [ballot.as_cast for ballot in ballots]
    verdict = verdicts.evaluate(policy, casts, request.thawed_outcomes, members, requester=request.requester)
    if isinstance(verdict, Decided):
        last = ballots[-1]
        _decide(request, verdict.outcome, ballots, by=last.actor, comment=last.comment, channel=last.channel, now=now)
        return
    if verdict.stage != request.stage:
        _stage_begin(request, policy, verdict.stage)
    is_stalled = isinstance(verdict, Stalled)
    if isinstance(verdict, Stalled) and not request.is_stalled:
        event_append(str(request.pk), "stalled", now=now, channel=WORKFLOW, data={"reason": verdict.reason})
    request.is_stalled = is_stalled
    request.save(update_fields=["stage", "is_stalled"])
    _notify(request, "stalled" if is_stalled else "ballot")


def _stage_begin(request: ApprovalRequest, policy: Policy, stage: int) -> None:
    request.stage = stage
    request.audience.filter(role__in=[Role.DECIDE, Role.LATER]).delete()
    keep = [row for row in _audience(request, policy) if row.role in (Role.DECIDE, Role.LATER)]
    RequestAudience.objects.bulk_create(keep)
    if not policy.excludes_same_person:  # they may be asked again
        request.audience.filter(role=Role.DONE).delete()


def _decide(
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
    _notify(request, "timed_out" if is_timeout else "decided")


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


# -- closing without people ------------------------------------------------------------------------------------------


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
        return 0 if _close_if_over(request, _promise_lock(request), now) is None else 1


def _reconcile(promise_id: str, now: int) -> int:
    with transaction.atomic():
        request = ApprovalRequest.objects.select_for_update().filter(promise_id=promise_id).first()
        if request is not None and request.is_pending:
            _close_if_over(request, _promise_lock(request), now)
        return SettledPromise.objects.filter(pk=promise_id).delete()[0]


def approval_withdraw(request_id: UUID | str, *, by: str, reason: str, channel: str, now: int) -> ApprovalRequest:
    """Take the question back: the promise is canceled, and the workflow gets a decision that is `canceled`.
    Withdrawing a request that is closed is refused, unless it was withdrawn.

    Locks the request, then its promise. Errors: RequestNotFound, AlreadyDecided, RequestClosed.
    """
    with transaction.atomic():
        request = _request_lock(request_id)
        if request.closed_because == wording.WITHDRAWN:
            return request
        if request.is_pending and _close_if_over(request, _promise_lock(request), now) is None:
            store.promise_settle(request.promise_id, PromiseState.REJECTED_CANCELED, now=now)
            _cancel(request, wording.WITHDRAWN, now, by=by, channel=channel, reason=reason)
            return request
    raise closed_error(request)


def _close_if_over(request: ApprovalRequest, promise: Promise, now: int) -> str | None:
    """Close a pending request whose promise is settled or whose deadline has come; returns the state, or None if it is
    still open. The caller holds both locks."""
    if promise.state != PromiseState.PENDING:
        _cancel(request, _REASONS.get(str(promise.state), wording.SETTLED_OUTSIDE), now)
    elif promise.timeout_at <= now:  # the clock is about to settle it
        _cancel(request, wording.EXECUTION_OVER, now)
    elif request.deadline_at is not None and request.deadline_at <= now:
        ballots = list(request.ballots.filter(version=request.version))
        _decide(request, request.timeout_outcome, ballots, by="", comment="", channel=TIMER, now=now, is_timeout=True)
    else:
        return None
    return request.state


_REASONS: dict[str, str] = {
    PromiseState.REJECTED_CANCELED: wording.EXECUTION_CANCELED,
    PromiseState.REJECTED_TIMEDOUT: wording.EXECUTION_OVER,
}


def _cancel(
    request: ApprovalRequest, because: str, now: int, *, by: str = "", channel: str = WORKFLOW, reason: str = ""
) -> None:
    request.closed_because = because
    _close(request, RequestState.CANCELED, by=by, now=now)
    event_append(
        str(request.pk), "canceled", now=now, actor=by, channel=channel, data={"because": because, "reason": reason}
    )
    _notify(request, "canceled")


def _close(request: ApprovalRequest, state: RequestState, *, by: str, now: int) -> None:
    request.state, request.decided_at, request.decided_by, request.is_stalled = state.value, now, by, False
    request.save(
        update_fields=["state", "outcome", "decided_at", "decided_by", "is_stalled", "closed_because", "stage"]
    )
    request.audience.update(is_open=False, closed_at=now)


# -- the answer ------------------------------------------------------------------------------------------------------


def approval_answer(promise_id: str, *, now: int) -> Answer:
    """What a workflow gets: what was recorded about the request of this promise, never the promise's own value.

    A request that is still open although its promise is settled was bypassed, and is closed here. Errors:
    RequestNotFound.
    """
    with transaction.atomic():
        request = ApprovalRequest.objects.select_for_update().filter(promise_id=promise_id).first()
        if request is None:
            raise RequestNotFound
        if request.is_pending and _close_if_over(request, _promise_lock(request), now) is None:
            raise ApprovalError(f"The request {request.pk} is still open.")
        decision = Decision.objects.filter(request=request).first()
        ballots = tuple(
            BallotRecord(ballot.actor, ballot.outcome, ballot.comment, _moment(ballot.cast_at))
            for ballot in request.ballots.filter(version=request.version)
        )
    return Answer(
        str(request.pk),
        request.outcome,
        decision.kind if decision else "",
        timed_out=request.state == RequestState.TIMED_OUT,
        canceled=decision is None,
        by=(decision.by or None) if decision else None,
        comment=decision.comment if decision else "",
        ballots=ballots,
        digest=request.digest,
        opened_at=_moment(request.opened_at),
        decided_at=_moment(request.decided_at),
    )


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


# -- pieces ----------------------------------------------------------------------------------------------------------


def _request_lock(id: UUID | str) -> ApprovalRequest:
    try:
        return ApprovalRequest.objects.select_for_update().get(pk=id)
    except (ApprovalRequest.DoesNotExist, ValidationError, ValueError):
        raise RequestNotFound(_("There is no such request for approval.")) from None


def _promise_lock(request: ApprovalRequest) -> Promise:
    try:
        return Promise.objects.select_for_update().only("id", "state", "timeout_at").get(pk=request.promise_id)
    except Promise.DoesNotExist:
        raise PromiseNotFound(f"Promise not found: {request.promise_id}") from None


def _eligibility(request: ApprovalRequest, user: Any, ballots: list[Ballot], *, is_person: bool) -> Eligibility:
    policy = request.thawed_policy
    return verdicts.eligibility(
        policy,
        voter_of(user, policy, is_person=is_person),
        [ballot.as_cast for ballot in ballots],
        requester=request.requester,
        stage=request.stage,
    )


def _repeated(
    request: ApprovalRequest, ballots: list[Ballot], name: str, outcome: str, stage: int | None
) -> Ballot | None:
    """This person's same answer, given before. Without `stage`, that in any stage: a repeated call whose first answer
    began the next stage must not count there too."""
    mine = [b for b in ballots if b.actor == name and b.outcome == outcome]
    return next((b for b in mine if stage in (None, b.stage)), None)


def _notify(request: ApprovalRequest, event: str) -> None:
    payload = json.dumps({"request": str(request.pk), "event": event})
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, payload])


def _iso(ms: int) -> str:
    return str(_moment(ms).isoformat())


def _moment(ms: int | None) -> Any:
    return to_datetime(ms)
