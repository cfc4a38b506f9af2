"""Every write of requests and decisions. `approval_decide` is the only writer of a decision by people; pages, REST,
commands and links all call it, and no rule lives in a channel.

Locks: the request's row first, then its promise. `now` is ms since the epoch, read at the edge.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from approvals import verdicts, wording
from approvals.answers import BallotRecord
from approvals.answers import Decision as Answer
from approvals.audit import event_append
from approvals.cards import card_of, request_id
from approvals.closing import (
    WORKFLOW,
    close_if_over,
    closed_error,
    moment_of,
    pages_tell,
    promise_lock,
    request_cancel,
    request_decide,
)
from approvals.errors import (
    ApprovalError,
    NotEligible,
    RequestChanged,
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
from approvals.opening import audience_row, audience_rows, request_insert
from approvals.people import members_of, user_now, voter_of
from approvals.policies import Policy
from approvals.verdicts import Decided, Eligibility, Stalled
from promises import store
from promises.states import PromiseState


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
        request = request_insert(promise_id, asked, execution_id or promise_id.partition(":")[0], workflow, now)
        if request is None:
            return ApprovalRequest.objects.get(pk=request_id(promise_id))
        RequestAudience.objects.bulk_create(audience_rows(request, asked.policy))
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
        if close_if_over(request, promise_lock(request), now) is None:
            pages_tell(request, "opened")
    return request


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
        if request.is_pending and close_if_over(request, promise_lock(request), now) is None:
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
    RequestAudience.objects.bulk_create([audience_row(request, f"user:{name}", Role.DONE)], ignore_conflicts=True)
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
        request_decide(
            request, verdict.outcome, ballots, by=last.actor, comment=last.comment, channel=last.channel, now=now
        )
        return
    if verdict.stage != request.stage:
        _stage_begin(request, policy, verdict.stage)
    is_stalled = isinstance(verdict, Stalled)
    if isinstance(verdict, Stalled) and not request.is_stalled:
        event_append(str(request.pk), "stalled", now=now, channel=WORKFLOW, data={"reason": verdict.reason})
    request.is_stalled = is_stalled
    request.save(update_fields=["stage", "is_stalled"])
    pages_tell(request, "stalled" if is_stalled else "ballot")


def _stage_begin(request: ApprovalRequest, policy: Policy, stage: int) -> None:
    request.stage = stage
    request.audience.filter(role__in=[Role.DECIDE, Role.LATER]).delete()
    keep = [row for row in audience_rows(request, policy) if row.role in (Role.DECIDE, Role.LATER)]
    RequestAudience.objects.bulk_create(keep)
    if not policy.excludes_same_person:  # they may be asked again
        request.audience.filter(role=Role.DONE).delete()


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
        request = _request_lock(request_id)
        if request.closed_because == wording.WITHDRAWN:
            return request
        if request.is_pending and close_if_over(request, promise_lock(request), now) is None:
            store.promise_settle(request.promise_id, PromiseState.REJECTED_CANCELED, now=now)
            request_cancel(request, wording.WITHDRAWN, now, by=by, channel=channel, reason=reason)
            return request
    raise closed_error(request)


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
        if request.is_pending and close_if_over(request, promise_lock(request), now) is None:
            raise ApprovalError(f"The request {request.pk} is still open.")
        decision = Decision.objects.filter(request=request).first()
        ballots = tuple(
            BallotRecord(ballot.actor, ballot.outcome, ballot.comment, moment_of(ballot.cast_at))
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
        opened_at=moment_of(request.opened_at),
        decided_at=moment_of(request.decided_at),
    )


# -- pieces ----------------------------------------------------------------------------------------------------------


def _request_lock(id: UUID | str) -> ApprovalRequest:
    try:
        return ApprovalRequest.objects.select_for_update().get(pk=id)
    except (ApprovalRequest.DoesNotExist, ValidationError, ValueError):
        raise RequestNotFound(_("There is no such request for approval.")) from None


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
