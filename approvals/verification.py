"""Whether the audit is what it was: every stream whole, every checkpoint genuine, and every request in the state that
its events tell."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db.models import Prefetch

from approvals import signing
from approvals.canonical import digest_of
from approvals.chains import Break, first_break
from approvals.checkpoints import AuditCheckpoint
from approvals.models import ApprovalRequest, AuditEvent, Ballot
from approvals.rebuilding import differences
from approvals.signing import NotGenuine

BATCH = 2000


def breaks(public_keys: Sequence[Ed25519PublicKey]) -> Iterator[Break]:
    """The first break of every stream that has one, then checkpoints that are not genuine, then requests that are not
    what their events say. Signatures of checkpoints are looked at if keys are given."""
    broken = list(broken_streams())
    yield from broken
    yield from broken_checkpoints(public_keys)
    yield from differing_requests({item.stream for item in broken})


def broken_streams() -> Iterator[Break]:
    starts = {c.stream: (c.number, c.hash) for c in AuditCheckpoint.objects.order_by("pk")}
    events = AuditEvent.objects.order_by("stream", "number").iterator(BATCH)
    for stream, links in groupby(events, key=lambda event: event.stream):
        found = first_break(links, after=starts.get(stream, (0, "")))
        if found:
            yield found


def broken_checkpoints(public_keys: Sequence[Ed25519PublicKey]) -> Iterator[Break]:
    previous = ""
    for checkpoint in AuditCheckpoint.objects.order_by("pk").iterator(BATCH):
        if checkpoint.previous_link != previous:
            yield Break(checkpoint.stream, checkpoint.number, "a checkpoint before this one is missing")
        if checkpoint.link_now != checkpoint.link:
            yield Break(checkpoint.stream, checkpoint.number, "its checkpoint was altered")
        elif public_keys and (problem := _problem_of(checkpoint, public_keys)):
            yield Break(checkpoint.stream, checkpoint.number, f"its checkpoint is not genuine. {problem}")
        previous = checkpoint.link


def differing_requests(broken: set[str]) -> Iterator[Break]:
    """Requests whose streams were pruned, or are broken, tell nothing any more, and are passed over."""
    passed_over = broken | set(AuditCheckpoint.objects.values_list("stream", flat=True))
    with_ballots = ApprovalRequest.objects.order_by("pk").prefetch_related(
        Prefetch("ballots", Ballot.objects.order_by("pk"))
    )
    batch: list[ApprovalRequest] = []
    for request in with_ballots.iterator(BATCH):
        if str(request.pk) in passed_over:
            continue
        batch.append(request)
        if len(batch) == BATCH:
            yield from _differing(batch)
            batch = []
    yield from _differing(batch)


def _differing(batch: Sequence[ApprovalRequest]) -> Iterator[Break]:
    names = [str(request.pk) for request in batch]
    events: dict[str, list[AuditEvent]] = {name: [] for name in names}
    for event in AuditEvent.objects.filter(stream__in=names).order_by("number"):
        events[event.stream].append(event)
    for request in batch:
        told = events[str(request.pk)]
        if not told:
            yield Break(str(request.pk), 1, "the request has no events")
        elif fields := differences(request, request.ballots.all(), told):
            number = told[-1].number
            yield Break(str(request.pk), number, f"the request is not what its events say: {', '.join(fields)}")
        elif digest_of(request.content) != request.digest:
            yield Break(str(request.pk), 1, "the content of the request is not what its digest says")


def _problem_of(checkpoint: AuditCheckpoint, public_keys: Sequence[Ed25519PublicKey]) -> str:
    try:
        signing.verify(checkpoint.content, checkpoint.signature, public_keys)
    except NotGenuine as error:
        return str(error)
    return ""
