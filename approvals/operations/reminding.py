"""Reminding and escalating when time passes: what the clock does for the policies, and what people ask for themselves.
Each is an event of the request; channels that reach people follow those."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from approvals.audit import event_append
from approvals.calendars import moment_after
from approvals.counting import able_to_vote
from approvals.errors import NotAllowed, RemindedAlready
from approvals.models import Alarm, ApprovalRequest, AuditEvent
from approvals.operations.closing import TIMER, close_if_over, pages_tell
from approvals.operations.locks import promise_lock
from approvals.operations.pending import pending_request
from approvals.operations.tallying import ballots_of, escalate, tally
from approvals.people import may_operate, members_for
from approvals.policies import Policy

REMIND_EVERY_MS = 15 * 60_000
NAMES_LIMIT = 100


def alarms_set(request: ApprovalRequest, policy: Policy) -> None:
    """The moments at which this request is reminded of and escalated, counted from when it was opened. Errors:
    InvalidPolicy, when its calendar is not known here."""
    wanted: list[tuple[str, Any, list[str]]] = [(Alarm.Kind.REMIND, duration, []) for duration in policy.remind]
    wanted += [(Alarm.Kind.ESCALATE, item.duration, list(item.to)) for item in policy.escalate]
    Alarm.objects.bulk_create(
        Alarm(
            request=request,
            kind=kind,
            number=number,
            to=to,
            due_at=moment_after(request.opened_at, duration, policy.calendar),
        )
        for number, (kind, duration, to) in enumerate(wanted, 1)
    )


def alarms_ring(now: int, limit: int = 200) -> int:
    """Remind and escalate where the time has come, each once; at most `limit`, the longest due first. Returns how many.
    Called by the clock."""
    due = list(Alarm.objects.filter(due_at__lte=now).values_list("pk", "request")[:limit])
    return sum(_ring(id, request_id, now) for id, request_id in due)


def approval_remind(
    request_id: UUID | str, *, actor: Any, channel: str, now: int, as_operator: bool = True
) -> ApprovalRequest:
    """Remind those who are asked, again; at most every 15 minutes. Whoever asked may do it, and who has the permission.

    Locks the request, then its promise. Errors: RequestNotFound, NotEligible, NotAllowed, RemindedAlready,
    AlreadyDecided, RequestClosed.
    """
    with pending_request(request_id, actor, now) as request:
        name = actor.get_username()
        if name != request.requester and not (as_operator and may_operate(actor)):
            raise NotAllowed(_("Only whoever asked can remind, or somebody who may operate requests."))
        events = AuditEvent.objects.filter(stream=str(request.pk), kind="reminded")
        if events.filter(happened_at__gt=now - REMIND_EVERY_MS).exists():
            raise RemindedAlready(_("People were reminded less than 15 minutes ago."))
        _remind(request, now, actor=name, channel=channel)
    return request


def _ring(id: int, request_id: UUID, now: int) -> int:
    """1 if the alarm was acted on; 0 if somebody works on the request at this moment, or it is closed."""
    with transaction.atomic():
        request = ApprovalRequest.objects.select_for_update(skip_locked=True).pending().filter(pk=request_id).first()
        if request is None or close_if_over(request, promise_lock(request), now) is not None:
            return 0
        alarm = Alarm.objects.filter(pk=id).first()
        if alarm is None:
            return 0
        alarm.delete()
        if alarm.kind == Alarm.Kind.REMIND:
            _remind(request, now, channel=TIMER)
        else:
            escalate(request, tuple(alarm.to), now, because="time", channel=TIMER)
            tally(request, ballots_of(request), now, event="assigned")
        return 1


def _remind(request: ApprovalRequest, now: int, *, channel: str, actor: str = "") -> None:
    data = {"waiting_for": waiting_for(request)[:NAMES_LIMIT]}
    event_append(str(request.pk), "reminded", now=now, actor=actor, channel=channel, data=data)
    pages_tell(request, "reminded")


def waiting_for(request: ApprovalRequest) -> list[str]:
    """The names of those who may answer in the open stage and have not."""
    policy = request.thawed_policy
    able = able_to_vote(policy, members_for(policy), request.requester)
    asked = {name for principal in policy.principals(request.stage) for name in able[principal]}
    answered = {
        name
        for ballot in ballots_of(request)
        if ballot.stage == request.stage or policy.excludes_same_person
        for name in ballot.as_cast.people
    }
    return sorted(asked - answered)
