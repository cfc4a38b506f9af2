"""A decision's receipt: what was decided, by whom and as what, signed in the decision's commit. Whoever has it and the
public key can verify it, without this installation."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from approvals import keys, signing
from approvals.canonical import digest_of
from approvals.signing import NotGenuine
from promises.times import to_datetime

if TYPE_CHECKING:
    from approvals.models import ApprovalRequest, AuditEvent, Ballot, Decision

FORMAT = "countersign-receipt/1"
Receipt = dict[str, Any]


def receipt_make(
    request: "ApprovalRequest", decision: "Decision", ballots: "Sequence[Ballot]", event: "AuditEvent"
) -> Receipt | None:
    """{"receipt": what was decided, "signature": ...}; None when the installation has no key. `event` is the one that
    records the decision."""
    content = _content(request, decision, ballots, event)
    signature = keys.signed(content)
    return {"receipt": content, "signature": signature} if signature else None


def receipt_verify(receipt: Any, public_keys: Iterable[Ed25519PublicKey]) -> dict[str, Any]:
    """What the receipt says, once its signature holds. Errors: NotGenuine."""
    content = receipt.get("receipt") if isinstance(receipt, dict) else None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise NotGenuine(f"This is no receipt in the format {FORMAT}.")
    signing.verify(content, receipt.get("signature"), public_keys)
    return content


def _content(
    request: "ApprovalRequest", decision: "Decision", ballots: "Sequence[Ballot]", event: "AuditEvent"
) -> dict[str, Any]:
    content = {
        "format": FORMAT,
        "request": str(request.pk),
        "promise": request.promise_id,
        "execution": request.execution_id,
        "workflow": request.workflow,
        "title": request.title,
        "requester": request.requester,
        "digest": decision.digest,
        "policy": {"name": request.policy_name, "digest": digest_of(request.policy)},
        "outcome": decision.outcome,
        "kind": decision.kind,
        "by": decision.by or None,
        "on_behalf_of": decision.on_behalf_of or None,
        "timed_out": decision.is_timeout,
        "comment": decision.comment,
        "input_digest": _digest(decision.input),
        "decided_at": _iso(decision.decided_at),
        "ballots": [_ballot(ballot) for ballot in ballots],
        "audit": {"number": event.number, "hash": event.hash},
    }
    return {**content, "overridden": True} if decision.is_override else content


def _ballot(ballot: "Ballot") -> dict[str, Any]:
    return {
        "by": ballot.actor,
        "on_behalf_of": ballot.on_behalf_of or None,
        "as": list(ballot.matched),
        "outcome": ballot.outcome,
        "comment": ballot.comment,
        "input_digest": _digest(ballot.input),
        "stage": ballot.stage + 1,
        "at": _iso(ballot.cast_at),
    }


def _digest(input: Any) -> str | None:
    """The input may be long and private: a receipt says only which one it was."""
    return None if input is None else digest_of(input)


def _iso(ms: int) -> str:
    moment = to_datetime(ms)
    return moment.isoformat() if moment else ""
