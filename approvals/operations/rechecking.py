"""Noticing that people have come or gone. Memberships and accounts are changed anywhere (the admin, a directory, SQL),
so nobody has to tell: the clock compares the members of every principal that is asked with those of its last look."""

import hashlib
from collections.abc import Collection, Mapping
from uuid import UUID

from django.db import transaction
from django.db.models import Prefetch

from approvals.counting import Members
from approvals.models import ApprovalRequest, Ballot, KnownMembers, RequestAudience
from approvals.operations.closing import close_if_over
from approvals.operations.locks import promise_lock
from approvals.operations.tallying import ballots_of, tally, verdict_of
from approvals.people import members_of
from approvals.verdicts import Decided, Stalled

LOOK_EVERY_MS = 10_000
SKEW_MS = 60_000  # how far the clocks of our machines may be apart
BATCH = 500
LAST_LOOK = ""  # the principal of the row that says when the last look was


def eligibility_sweep(now: int) -> int:
    """Look again at the open requests whose people have changed, and at those that are stalled: they may be stalled
    now, may go on, and a percentage of fewer people may be reached. Every ten seconds; returns how many requests
    changed. Called by the clock."""
    last_look = _look_begin(now)
    if last_look is None:
        return 0
    asked = list(RequestAudience.objects.filter(is_open=True).order_by().values_list("principal", flat=True).distinct())
    members = members_of(asked)
    digests = {principal: _digest(names) for principal, names in members.items()}
    known = dict(KnownMembers.objects.filter(principal__in=asked).values_list("principal", "digest"))
    changed = [principal for principal, digest in digests.items() if known.get(principal) != digest]
    moved = sum(_recheck(id, now) for id in _differing(changed, members, last_look))
    rows = [KnownMembers(principal=p, digest=digests[p], seen_at=now) for p in changed]
    KnownMembers.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["principal"], update_fields=["digest", "seen_at"]
    )
    return moved


def _look_begin(now: int) -> int | None:
    """When the last look was (0 for never), if it is time for another one; that is noted, so that of several clocks one
    looks."""
    row, is_first = KnownMembers.objects.get_or_create(principal=LAST_LOOK, defaults={"seen_at": now})
    if is_first:
        return 0
    due = KnownMembers.objects.filter(pk=row.pk, seen_at=row.seen_at, seen_at__lte=now - LOOK_EVERY_MS)
    return row.seen_at if due.update(seen_at=now) else None


def _digest(names: Collection[str]) -> str:
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()


def _differing(changed: list[str], members: Mapping[str, Collection[str]], last_look: int) -> list[UUID]:
    """The requests whose verdict is another one than what is written. One that was counted since the last look is
    looked at in any case: by people who came and went between the looks. All are looked at without a lock; whoever acts
    on it looks again."""
    pending, named = ApprovalRequest.objects.pending(), RequestAudience.objects.filter(principal__in=changed)
    found = {
        *pending.filter(is_stalled=True).values_list("pk", flat=True),
        *pending.filter(tallied_at__gte=last_look - SKEW_MS).values_list("pk", flat=True),
        *named.filter(is_open=True).values_list("request", flat=True),
    }
    ids = sorted(found)
    batches = (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
    with_ballots = pending.prefetch_related(Prefetch("ballots", Ballot.objects.order_by("pk")))
    return [
        request.pk for batch in batches for request in with_ballots.filter(pk__in=batch) if _differs(request, members)
    ]


def _differs(request: ApprovalRequest, members: Members) -> bool:
    ballots = [ballot for ballot in request.ballots.all() if ballot.version == request.version]
    verdict = verdict_of(request, ballots, members)
    if isinstance(verdict, Decided) or verdict.stage != request.stage:
        return True
    return isinstance(verdict, Stalled) != request.is_stalled


def _recheck(id: UUID, now: int) -> int:
    """1 when the request is another one now."""
    with transaction.atomic():
        request = ApprovalRequest.objects.select_for_update().pending().filter(pk=id).first()
        if request is None or close_if_over(request, promise_lock(request), now) is not None:
            return 0
        before = (request.state, request.stage, request.is_stalled)
        tally(request, ballots_of(request), now, event="eligibility")
        return int((request.state, request.stage, request.is_stalled) != before)
