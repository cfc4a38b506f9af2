"""How people decide: `approval_decide` is the only writer of a ballot, and of a decision by people."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from approvals import verdicts, wording
from approvals.audit import event_append
from approvals.errors import ApprovalError, NotEligible, RequestChanged
from approvals.models import ApprovalRequest, Ballot, RequestAudience, Role
from approvals.operations.closing import WORKFLOW, close_if_over, closed_error, pages_tell, request_decide
from approvals.operations.locks import promise_lock, request_lock
from approvals.operations.opening import audience_row, audience_rows
from approvals.people import members_of, user_now, voter_of
from approvals.policies import Policy
from approvals.verdicts import Decided, Eligibility, Stalled


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
        request = request_lock(request_id)
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
