"""Every read of requests worth a name: the four lists, one request with all that its page shows, who may see what.

Lists cost a constant number of queries however long they are; each is served by an index named in models.py.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from approvals import rules, verdicts
from approvals.changes import Change, changes_between
from approvals.eligibility import eligibility_of
from approvals.errors import RequestNotFound
from approvals.models import (
    ApprovalRequest,
    ApprovalRequestQuerySet,
    AuditEvent,
    Ballot,
    Decision,
    RequestAudience,
    Role,
)
from approvals.people import mandates_of, members_for, principals_of
from approvals.requirements import counts_in
from approvals.rules import Eligibility, Rule
from approvals.verdicts import Progress
from promises.models import Promise

MAY_SEE_REQUESTS = "approvals.view_approvalrequest"
MAY_SEE_EXECUTIONS = "promises.view_promise"
READING = ("viewed", "read")  # the events that say who has read a card

# -- lists -----------------------------------------------------------------------------------------------------------


def inbox(user: Any, now: int) -> ApprovalRequestQuerySet:
    """What this user can decide at `now`: due first, then what has waited longest. For a page of a long inbox, see
    `page_of_requests(inbox_rows(...))`."""
    rows = inbox_rows(user, now)
    return _due_first(ApprovalRequest.objects.filter(pk__in=rows.values("request")))


def inbox_rows(user: Any, now: int) -> QuerySet[RequestAudience]:
    """The rows of the audience that make the inbox of this user: what he can decide in his own right, and in the place
    of those who have delegated to him. What somebody else has claimed is left to that person."""
    own, *others = mandates_of(user, now)
    rows = _decidable(own, now)
    for theirs in others:
        rows |= _decidable(theirs, now).exclude(request__in=_not_for(own))
    claimed = ApprovalRequest.objects.claimed(now).exclude(claimed_by=user.get_username())
    return rows.exclude(request__in=claimed.values("pk"))


def queue_rows(user: Any, now: int) -> QuerySet[RequestAudience]:
    """The rows of the audience that make the queue of this user's teams: all that his groups and permissions are asked
    at `now`, also what somebody has claimed and what he may not decide himself or has answered."""
    me = f"user:{user.get_username()}"
    teams = [principal for principal in principals_of(user) if principal != me]
    return RequestAudience.objects.filter(is_open=True, principal__in=teams, role=Role.DECIDE, due_at__gt=now)


def reasons(rows: QuerySet[RequestAudience], requests: Iterable[ApprovalRequest]) -> dict[UUID, list[str]]:
    """As which principals somebody whose `inbox_rows` these are can decide each of these requests; those that he cannot
    decide are missing."""
    found: dict[UUID, list[str]] = defaultdict(list)
    of_requests = rows.filter(request__in=[request.pk for request in requests])
    for id, principal in of_requests.order_by("principal").values_list("request", "principal"):
        found[id].append(principal)
    return found


def _decidable(principals: list[str], now: int) -> QuerySet[RequestAudience]:
    mine = RequestAudience.objects.filter(is_open=True, principal__in=principals, role=Role.DECIDE, due_at__gt=now)
    return mine.exclude(request__in=_not_for(principals))


def _not_for(principals: list[str]) -> QuerySet[RequestAudience, Any]:
    """The requests that somebody who is all these principals may not decide, or has answered."""
    rows = RequestAudience.objects.filter(is_open=True, principal__in=principals, role__in=[Role.NEVER, Role.DONE])
    return rows.values("request")


def waiting(user: Any) -> ApprovalRequestQuerySet:
    """What waits for others: what this user has asked, or has answered without that deciding it."""
    return _due_first(ApprovalRequest.objects.filter(pk__in=waiting_rows(user).values("request")))


def waiting_rows(user: Any) -> QuerySet[RequestAudience]:
    """The rows of the audience that make `waiting`."""
    me = f"user:{user.get_username()}"
    return RequestAudience.objects.filter(is_open=True, principal=me, role__in=[Role.ASKED, Role.DONE])


DUE_FIRST = ("due_at", "opened_at", "request")
CLOSED_LAST_FIRST = ("-closed_at", "-request")


def ids_of_requests(
    rows: QuerySet[RequestAudience], start: int, stop: int, order: Sequence[str] = DUE_FIRST
) -> list[UUID]:
    """The ids of the requests of these rows from `start` to `stop`. Sorts what one index holds, however long the list
    is."""
    keys = rows.order_by(*order).values_list(*(name.removeprefix("-") for name in order)).distinct()
    return [key[-1] for key in keys[start:stop]]


def page_of_requests(
    rows: QuerySet[RequestAudience], start: int, stop: int, order: Sequence[str] = DUE_FIRST
) -> list[ApprovalRequest]:
    """The requests of `ids_of_requests`, and no others, are read."""
    ids = ids_of_requests(rows, start, stop, order)
    found = ApprovalRequest.objects.in_bulk(ids)
    return [found[id] for id in ids if id in found]


def count_of_requests(rows: QuerySet[RequestAudience], limit: int) -> int:
    """How many requests, counted to `limit`."""
    return rows.order_by().values("request").distinct()[:limit].count()


def archive(user: Any) -> ApprovalRequestQuerySet:
    """What is done and concerned this user: what he asked, and what he answered; the last closed first."""
    closed = ApprovalRequest.objects.filter(pk__in=archive_rows(user).values("request"))
    return closed.order_by("-decided_at", "-pk")


def archive_rows(user: Any) -> QuerySet[RequestAudience]:
    """The rows of the audience that make `archive`."""
    me = f"user:{user.get_username()}"
    return RequestAudience.objects.filter(is_open=False, principal=me, role__in=[Role.ASKED, Role.DONE])


def visible_to(user: Any) -> ApprovalRequestQuerySet:
    """Every request that concerns this user, or all for those who may see all."""
    if user.has_perm(MAY_SEE_REQUESTS):
        return ApprovalRequest.objects.all()
    return concerning(principals_of(user))


def concerning(principals: list[str]) -> ApprovalRequestQuerySet:
    """Every request that concerns somebody who is all these principals."""
    audience = RequestAudience.objects.filter(request=OuterRef("pk"), principal__in=principals)
    return ApprovalRequest.objects.filter(Exists(audience.exclude(role=Role.NEVER)))


def _due_first(rows: ApprovalRequestQuerySet) -> ApprovalRequestQuerySet:
    return rows.order_by(F("deadline_at").asc(nulls_last=True), "opened_at", "pk")


# -- executions ------------------------------------------------------------------------------------------------------


def executions_visible_to(user: Any, executions: QuerySet[Promise]) -> QuerySet[Promise]:
    """Of these root promises: those that the user started, or in which an approval concerns him."""
    if user.has_perm(MAY_SEE_EXECUTIONS):
        return executions
    concerned = visible_to(user).values("execution_id")
    started = Q(tags__contains={"countersign:requester": user.get_username()})
    return executions.filter(started | Q(pk__in=concerned))


def can_see_execution(user: Any, execution_id: str, requester: str) -> bool:
    """Whether the user may look at this execution."""
    if requester == user.get_username() or user.has_perm(MAY_SEE_EXECUTIONS):
        return True
    return visible_to(user).filter(execution_id=execution_id).exists()


# -- one request -----------------------------------------------------------------------------------------------------


def request_get(id: UUID | str) -> ApprovalRequest:
    """The request. Errors: RequestNotFound."""
    try:
        return ApprovalRequest.objects.get(pk=id)
    except (ApprovalRequest.DoesNotExist, ValidationError, ValueError):
        raise RequestNotFound from None


def decision_get(id: UUID | str) -> Decision:
    """The decision of a request. Errors: RequestNotFound, also for a request that is not decided."""
    found = Decision.objects.filter(request=request_get(id)).select_related("request").first()
    if found is None:
        raise RequestNotFound(_("This request is not decided."))
    return found


def can_see(user: Any, request: ApprovalRequest, now: int) -> bool:
    """Whether the request concerns this user, or somebody for whom he stands in at `now`."""
    if visible_to(user).filter(pk=request.pk).exists():
        return True
    _own, *others = mandates_of(user, now)
    return any(concerning(theirs).filter(pk=request.pk).exists() for theirs in others)


def eligibility(
    request: ApprovalRequest, user: Any, now: int, *, is_person: bool = True, on_behalf_of: str = ""
) -> Eligibility:
    """Whether the user can decide at `now`: the request's own state first, then each rule of its policy; the same code
    enforces. `rules` say why, in the reader's language by `wording.of_rule`."""
    ballots = [ballot for ballot in request.ballots.all() if ballot.version == request.version]
    found = eligibility_of(request, user, ballots, now, is_person=is_person, on_behalf_of=on_behalf_of)
    is_open = request.is_pending and not is_overdue(request, now)
    state = Rule("open", is_open, rules.OPEN if is_open else rules.CLOSED)
    return replace(found, allowed=found.allowed and is_open, rules=(state, *found.rules))


def is_overdue(request: ApprovalRequest, now: int) -> bool:
    """Whether the deadline has come, although the clock has not written it down yet."""
    return request.is_pending and request.deadline_at is not None and request.deadline_at <= now


@dataclass
class Step:
    """One stage of a policy as the page shows it."""

    number: int
    state: str  # "done", "open" or "later"
    progress: tuple[Progress, ...]
    ballots: list[Ballot] = field(default_factory=list)


def stages(request: ApprovalRequest, ballots: Sequence[Ballot]) -> list[Step]:
    """Every stage with how far it is and who voted in it."""
    policy = request.thawed_policy
    casts = [ballot.as_cast for ballot in ballots]
    has_percent = any(count.percent for stage in policy.stages for count in counts_in(stage))
    members = members_for(policy) if has_percent else None
    steps = []
    for number in range(len(policy.stages)):
        is_past = number < request.stage or (number == request.stage and not request.is_pending)
        state = "done" if is_past else "open" if number == request.stage else "later"
        progress = verdicts.progress_of(policy, casts, number, members, requester=request.requester)
        steps.append(Step(number + 1, state, progress, [b for b in ballots if b.stage == number]))
    return steps


def events(request: ApprovalRequest, after: int = 0) -> QuerySet[AuditEvent]:
    """Everything that was recorded about the request after this number, in order."""
    return AuditEvent.objects.filter(stream=str(request.pk), number__gt=after).order_by("number")


def timeline(request: ApprovalRequest) -> list[AuditEvent]:
    """What happened to the request, in order, without who has read it."""
    return list(events(request).exclude(kind__in=READING))


def request_before(request: ApprovalRequest) -> ApprovalRequest | None:
    """The request that this one follows, with its decision."""
    if request.previous is None:
        return None
    return ApprovalRequest.objects.select_related("decision").filter(pk=request.previous).first()


@dataclass(frozen=True)
class Version:
    """An older version of a request, and what leads from it to the one after it."""

    number: int
    digest: str
    replaced_at: int
    replaced_by: str
    changes: list[Change]


def versions_of(request: ApprovalRequest, limit: int = 20) -> list[Version]:
    """What the request asked before, the latest first."""
    if request.version == 1:
        return []
    found, after = [], request.content
    for row in request.versions.order_by("-number")[:limit]:
        changes = changes_between(row.content, after)
        found.append(Version(row.number, row.digest, row.replaced_at, row.replaced_by, changes))
        after = row.content
    return found


# -- what rows of lists say -------------------------------------------------------------------------------------------


def waits_for(requests: Iterable[ApprovalRequest]) -> dict[UUID, list[Progress]]:
    """What each of these requests still waits for, in one query for all of them."""
    listed = list(requests)
    ballots: dict[UUID, list[Ballot]] = defaultdict(list)
    for ballot in Ballot.objects.filter(request__in=[request.pk for request in listed]).order_by("pk"):
        ballots[ballot.request_id].append(ballot)
    found = {}
    for request in listed:
        policy = request.thawed_policy
        casts = [ballot.as_cast for ballot in ballots[request.pk] if ballot.version == request.version]
        has_percent = any(count.percent for count in counts_in(policy.stages[request.stage]))
        members = members_for(policy) if has_percent else None
        progress = verdicts.progress_of(policy, casts, request.stage, members, requester=request.requester)
        found[request.pk] = list(progress)
    return found


def waiting_in(execution_ids: Iterable[str]) -> dict[str, list[ApprovalRequest]]:
    """The pending requests of these executions, oldest first."""
    found: dict[str, list[ApprovalRequest]] = defaultdict(list)
    for request in ApprovalRequest.objects.pending().filter(execution_id__in=list(execution_ids)).order_by("opened_at"):
        found[request.execution_id].append(request)
    return found
