"""How people decide: `approval_decide` is the only writer of a ballot, and of a decision by people."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from approvals import wording
from approvals.audit import event_append
from approvals.canonical import digest_of
from approvals.channels import Channel, channel_check, voting_channel
from approvals.eligibility import eligibility_of
from approvals.errors import ApprovalError, NotEligible, RequestChanged
from approvals.files import File, files_in
from approvals.models import ApprovalRequest, Ballot, RequestAudience, Role
from approvals.operations.audience import audience_row
from approvals.operations.closing import close_if_over, closed_error
from approvals.operations.locks import is_uuid, promise_lock, request_lock
from approvals.operations.revising import changes_since, version_begin
from approvals.operations.tallying import ballots_of, tally
from approvals.people import user_now
from approvals.rules import Eligibility
from approvals.submissions import Submission, submission_check


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
    input: Any = None,
    value: Any = None,
    digest: str | None = None,
    stage: int | None = None,
    on_behalf_of: str = "",
    is_person: bool = True,
    confirmed_at: int | None = None,
) -> Vote:
    """Cast a person's ballot and, when that satisfies the policy, decide: ballot, decision, audit event, settlement of
    the promise and the wake-up of the workflow commit together.

    `input` answers the form of the outcome. `value` corrects the proposal (the fields that changed are enough): that
    begins a new version, in which this is the first ballot, so that everybody agrees to the same. Repeating one's own
    answer returns it. `digest` is that of the card the person read; `stage` the stage he answered in; `on_behalf_of`
    whose place he takes, if he could decide in more than one; `is_person` is False for a token that acts for a machine;
    `confirmed_at` (ms) is when he last proved who he is. `channel` is one of `channels.py`.
    Locks the request, then its promise.

    Errors: RequestNotFound, NotEligible (and AlreadyVoted), AlreadyDecided (by whom, when), RequestClosed,
    RequestChanged (with what changed), UnknownOutcome, CommentRequired, InvalidInput (by field), NotInBulk,
    ConfirmationNeeded.
    """
    way = voting_channel(channel)
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
                raise _changed(request, digest)
            answer = _checked(request, found, actor.get_username(), outcome, comment, input=input, value=value)
            _way_check(way, request, answer, confirmed_at, now)
            return _ballot_cast(request, ballots, found, answer, name=actor.get_username(), channel=channel, now=now)
    # Closed before, or just now: that is committed, and the person learns by whom and when.
    raise closed_error(request)


def _changed(request: ApprovalRequest, digest: str) -> RequestChanged:
    """Why an answer to another version is refused: with what leads from that one to the current one."""
    return RequestChanged(
        _("The request has changed since you read it. Nothing was decided."),
        digest=request.digest,
        version=request.version,
        changes=changes_since(request, digest) or (),
    )


def _checked(
    request: ApprovalRequest, found: Eligibility, name: str, outcome: str, comment: str, *, input: Any, value: Any
) -> Submission:
    uploads = request.files.filter(uploaded_by=name).defer("content")

    def file(id: str) -> File | None:
        known = uploads.filter(pk=id).first() if is_uuid(id) else None
        return known.as_file if known else None

    try:
        return submission_check(
            request.card, found, outcome=outcome, comment=comment, input=input, value=value, file=file
        )
    except ApprovalError as error:
        raise wording.translated(error) from None


def _way_check(way: Channel, request: ApprovalRequest, answer: Submission, confirmed_at: int | None, now: int) -> None:
    try:
        channel_check(way, request.card, answer.outcome, confirmed_at, now)
    except ApprovalError as error:
        raise wording.translated(error) from None


def _ballot_cast(
    request: ApprovalRequest,
    ballots: list[Ballot],
    found: Eligibility,
    answer: Submission,
    *,
    name: str,
    channel: str,
    now: int,
) -> Vote:
    stage = request.stage
    if answer.is_edited:
        version_begin(request, answer.card, now, by=name, channel=channel)
        ballots = []
    ballot = Ballot.objects.create(
        request=request,
        version=request.version,
        stage=stage,
        actor=name,
        on_behalf_of=found.on_behalf_of,
        matched=list(found.matched),
        outcome=answer.outcome.name,
        comment=answer.comment,
        input=answer.input,
        channel=channel,
        digest=request.digest,
        cast_at=now,
    )
    if files := [file.id for file in files_in([answer.input, request.proposal])]:
        request.files.filter(pk__in=files).update(is_used=True)
    done = [audience_row(request, f"user:{person}", Role.DONE) for person in sorted(ballot.as_cast.people)]
    RequestAudience.objects.bulk_create(done, ignore_conflicts=True)
    if request.claimed_by == name:
        request.claimed_by, request.claimed_until = "", None
    event_append(str(request.pk), "ballot", now=now, actor=name, channel=channel, data=_ballot_data(ballot))
    tally(request, [*ballots, ballot], now, event="ballot")
    return Vote(request, ballot)


def _ballot_data(ballot: Ballot) -> dict[str, Any]:
    """What the record says of a ballot. The input may be long and private: of it only what tells it from others."""
    data = {
        "outcome": ballot.outcome,
        "comment": ballot.comment,
        "digest": ballot.digest,
        "version": ballot.version,
        "stage": ballot.stage,
        "as": ballot.matched,
        "for": ballot.on_behalf_of,
    }
    return data if ballot.input is None else {**data, "input_digest": digest_of(ballot.input)}


def _repeated(
    request: ApprovalRequest, ballots: list[Ballot], name: str, outcome: str, stage: int | None
) -> Ballot | None:
    """This person's same answer, given before. Without `stage`, that in any stage: a repeated call whose first answer
    began the next stage must not count there too."""
    mine = [b for b in ballots if b.actor == name and b.outcome == outcome]
    return next((b for b in mine if stage in (None, b.stage)), None)
