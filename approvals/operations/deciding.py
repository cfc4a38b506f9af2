"""How people decide: `approval_decide` is the only writer of a ballot, and of a decision by people."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from approvals import rules, wording
from approvals.audit import event_append
from approvals.eligibility import eligibility_of
from approvals.errors import ApprovalError, NotEligible, RequestChanged
from approvals.models import ApprovalRequest, Ballot, RequestAudience, Role
from approvals.operations.audience import audience_row
from approvals.operations.closing import close_if_over, closed_error
from approvals.operations.locks import promise_lock, request_lock
from approvals.operations.tallying import ballots_of, tally
from approvals.people import user_now
from approvals.rules import Eligibility


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
    on_behalf_of: str = "",
    is_person: bool = True,
) -> Vote:
    """Cast a person's ballot and, when that satisfies the policy, decide: ballot, decision, audit event, settlement of
    the promise and the wake-up of the workflow commit together.

    Repeating one's own answer returns it. `digest` is that of the card the person read; `stage` the stage he answered
    in; `on_behalf_of` whose place he takes, if he could decide in more than one; `is_person` is False for a token that
    acts for a machine. Locks the request, then its promise.

    Errors: RequestNotFound, NotEligible (and AlreadyVoted), AlreadyDecided (by whom, when), RequestClosed,
    RequestChanged, UnknownOutcome, CommentRequired.
    """
    with transaction.atomic():
        request = request_lock(request_id)
        actor = user_now(actor)
        ballots = ballots_of(request)
        found = eligibility_of(request, actor, ballots, now, is_person=is_person, on_behalf_of=on_behalf_of)
        if found.is_outsider and found.obstacle:
            raise NotEligible(wording.of_rule(found.obstacle), found)
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
        rules.ballot_check(found, request.thawed_outcomes, outcome, comment)
    except ApprovalError as error:
        raise wording.translated(error) from None
    ballot = Ballot.objects.create(
        request=request,
        version=request.version,
        stage=request.stage,
        actor=name,
        on_behalf_of=found.on_behalf_of,
        matched=list(found.matched),
        outcome=outcome,
        comment=comment.strip(),
        channel=channel,
        digest=request.digest,
        cast_at=now,
    )
    done = [audience_row(request, f"user:{person}", Role.DONE) for person in sorted(ballot.as_cast.people)]
    RequestAudience.objects.bulk_create(done, ignore_conflicts=True)
    if request.claimed_by == name:
        request.claimed_by, request.claimed_until = "", None
    event_append(
        str(request.pk),
        "ballot",
        now=now,
        actor=name,
        channel=channel,
        data={
            "outcome": outcome,
            "comment": ballot.comment,
            "digest": request.digest,
            "as": ballot.matched,
            "for": found.on_behalf_of,
        },
    )
    tally(request, [*ballots, ballot], now, event="ballot")
    return Vote(request, ballot)


def _repeated(
    request: ApprovalRequest, ballots: list[Ballot], name: str, outcome: str, stage: int | None
) -> Ballot | None:
    """This person's same answer, given before. Without `stage`, that in any stage: a repeated call whose first answer
    began the next stage must not count there too."""
    mine = [b for b in ballots if b.actor == name and b.outcome == outcome]
    return next((b for b in mine if stage in (None, b.stage)), None)
