"""What can go wrong when people decide. The class name is the API's code, its docstring the default message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from promises.errors import CodedError

if TYPE_CHECKING:
    from approvals.changes import Change
    from approvals.rules import Eligibility


class ApprovalError(CodedError):
    """The request for approval cannot do what was asked."""


class RequestNotFound(ApprovalError):
    """There is no such request for approval."""

    status = 404


class NotEligible(ApprovalError):
    """This person may not decide here; `eligibility` lists each rule with the reason."""

    status = 403

    def __init__(self, message: str = "", eligibility: "Eligibility | None" = None) -> None:
        obstacle = eligibility.obstacle if eligibility else None
        super().__init__(message or (obstacle.why if obstacle else ""))
        self.eligibility = eligibility


class AlreadyDecided(ApprovalError):
    """Somebody else, or the deadline, was first. `by` is empty when it was the deadline."""

    status = 409

    def __init__(self, message: str = "", *, by: str = "", at: datetime | None = None, outcome: str = "") -> None:
        super().__init__(message)
        self.by, self.at, self.outcome = by, at, outcome


class AlreadyVoted(NotEligible):
    """This person has answered with another outcome before; the first answer counts."""

    status = 409


class RequestClosed(ApprovalError):
    """The question is not asked any more: the workflow was canceled, or its time is over."""

    status = 409


class RequestChanged(ApprovalError):
    """The card has changed since it was shown; read it again and decide then.

    `changes` lead from the version that was read to the current one; [] when nobody knows what was read.
    """

    status = 412

    def __init__(self, message: str = "", *, digest: str = "", version: int = 0, changes: "Sequence[Change]" = ()):
        super().__init__(message)
        self.digest, self.version, self.changes = digest, version, list(changes)


class UnknownOutcome(ApprovalError):
    """The request does not offer this outcome."""

    status = 422


class CommentRequired(ApprovalError):
    """This outcome needs a comment that says why."""

    status = 422


class ConfirmationNeeded(ApprovalError):
    """Where much is at risk, you confirm who you are first: enter your password on the request's page."""

    status = 403


class NotInBulk(ApprovalError):
    """This one is answered by itself: only requests of low risk without a form are answered together."""

    status = 422


class NotAllowed(ApprovalError):
    """This takes a permission that this account does not have."""

    status = 403


class AskedDifferently(ApprovalError):
    """This key stands for another question."""

    status = 409


class AlreadyClaimed(ApprovalError):
    """Somebody else has claimed the request. `by` is who."""

    status = 409

    def __init__(self, message: str = "", *, by: str = "") -> None:
        super().__init__(message)
        self.by = by
        self.members = {"claimed_by": by}


class InvalidChange(ApprovalError):
    """The audience cannot be changed like this: nobody could decide any more, or somebody who may not."""

    status = 422


class RemindedAlready(ApprovalError):
    """People have been reminded a moment ago."""

    status = 409


class DelegationNotFound(ApprovalError):
    """There is no such delegation."""

    status = 404


class InvalidDelegation(ApprovalError):
    """The delegation is not well formed: its people or its dates."""

    status = 422


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field. `pointer` is a JSON pointer into the answer; `message` and `params` make the
    sentence, and whoever shows it translates the message first."""

    pointer: str
    message: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def why(self) -> str:
        return self.message % self.params if self.params else self.message


class InvalidInput(ApprovalError):
    """The answer does not fit the form; `fields` say what is wrong where."""

    status = 422

    def __init__(self, fields: Sequence[FieldError] = (), message: str = "") -> None:
        told = "; ".join(f"{found.pointer or '/'}: {found.why}" for found in fields)
        super().__init__(message or told)
        self.fields = list(fields)

    @property
    def sentence(self) -> str:
        """What is wrong, for people: the fields by their names."""
        return " ".join(
            f"{found.pointer.strip('/').replace('/', ' ')}: {found.why}".removeprefix(": ") for found in self.fields
        )


class NotApproved(ApprovalError):
    """People did not approve it, so it was not done."""

    status = 409


class NotAnswered(ApprovalError):
    """The question was closed before anybody answered it."""

    status = 409


class InvalidCard(ApprovalError, ValueError):
    """The request for approval is not well formed: its question, audience, blocks or outcomes."""

    status = 422
