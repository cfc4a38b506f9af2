"""What the ballots say by now, written down: decided, the next stage, stalled or going on. Whatever may change the
verdict calls `tally`: a ballot, a change of the audience, a change of who is eligible. Callers hold the lock of the
request, and of its promise."""

from collections.abc import Sequence

from approvals import amendments, verdicts
from approvals.amendments import Amendment
from approvals.audit import event_append
from approvals.counting import Members
from approvals.models import Alarm, ApprovalRequest, Ballot, RequestAudience, Role
from approvals.operations.audience import audience_rows
from approvals.operations.closing import WORKFLOW, pages_tell, request_decide
from approvals.people import members_for
from approvals.verdicts import Decided, Stalled, Verdict

OF_POLICY = [Role.DECIDE, Role.LATER, Role.VETO, Role.NEVER]  # the roles that follow from policy and stage


def ballots_of(request: ApprovalRequest) -> list[Ballot]:
    """The ballots that count: those about the current version."""
    return list(request.ballots.filter(version=request.version))


def verdict_of(request: ApprovalRequest, ballots: Sequence[Ballot], members: Members | None = None) -> Verdict:
    """What the ballots say now; the members are looked up unless they are given."""
    policy = request.thawed_policy
    return verdicts.evaluate(
        policy,
        [ballot.as_cast for ballot in ballots],
        request.thawed_outcomes,
        members_for(policy) if members is None else members,
        requester=request.requester,
        stage=request.stage,
    )


def tally(request: ApprovalRequest, ballots: Sequence[Ballot], now: int, *, event: str) -> None:
    """Act on the verdict. A request that is stalled takes the escalations that its policy holds ready, whatever their
    time. `event` is what open pages are told."""
    verdict = verdict_of(request, ballots)
    while isinstance(verdict, Stalled) and (alarm := _next_escalation(request)):
        escalate(request, tuple(alarm.to), now, because="stalled")
        alarm.delete()
        verdict = verdict_of(request, ballots)
    if isinstance(verdict, Decided):
        last = next(ballot for ballot in reversed(ballots) if ballot.outcome == verdict.outcome)
        request_decide(request, verdict.outcome, list(ballots), decisive=last, channel=last.channel, now=now)
        return
    if verdict.stage != request.stage:
        _stage_begin(request, verdict.stage, ballots, now)
    is_stalled = isinstance(verdict, Stalled)
    if is_stalled != request.is_stalled:
        event_append(str(request.pk), "stalled" if is_stalled else "resumed", now=now, channel=WORKFLOW)
        event = "stalled" if is_stalled else event
    request.is_stalled, request.tallied_at = is_stalled, now
    request.save(update_fields=["stage", "is_stalled", "tallied_at", "claimed_by", "claimed_until"])
    pages_tell(request, event)


def escalate(
    request: ApprovalRequest,
    to: tuple[str, ...],
    now: int,
    *,
    because: str,
    actor: str = "",
    channel: str = WORKFLOW,
    reason: str = "",
) -> None:
    """Ask these principals too, in the open stage and all later ones. `because`: "time", "stalled" or "asked"."""
    amendment = Amendment("escalate", to, request.stage)
    amend(request, amendment)
    data = {"to": list(to), "stage": request.stage, "because": because, "reason": reason}
    event_append(str(request.pk), "escalated", now=now, actor=actor, channel=channel, data=data)


def amend(request: ApprovalRequest, amendment: Amendment) -> None:
    """Change the audience, and the lists that it is in."""
    request.amendments = [*request.amendments, amendments.freeze(amendment)]
    request.save(update_fields=["amendments"])
    audience_renew(request)


def audience_renew(request: ApprovalRequest) -> None:
    """Write anew whom the request asks, after its policy or its stage has changed."""
    request.audience.filter(role__in=OF_POLICY).delete()
    rows = [row for row in audience_rows(request, request.thawed_policy) if row.role in OF_POLICY]
    RequestAudience.objects.bulk_create(rows)


def _next_escalation(request: ApprovalRequest) -> Alarm | None:
    return request.alarms.filter(kind=Alarm.Kind.ESCALATE).order_by("number").first()


def _stage_begin(request: ApprovalRequest, stage: int, ballots: Sequence[Ballot], now: int) -> None:
    request.stage, request.claimed_by, request.claimed_until = stage, "", None
    event_append(str(request.pk), "stage", now=now, channel=WORKFLOW, data={"stage": stage})
    audience_renew(request)
    if not request.thawed_policy.excludes_same_person:  # they may be asked again, if they have not answered here
        here = [f"user:{person}" for b in ballots if b.stage == stage for person in b.as_cast.people]
        request.audience.filter(role=Role.DONE).exclude(principal__in=here).delete()
