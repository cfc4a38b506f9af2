"""What a refused decision tells besides its message: who was first and with what, or each rule with the reason."""

from approvals.api.outputs import eligibility_document
from approvals.errors import AlreadyDecided, ApprovalError, NotEligible
from promises.problems import Problem


def problem_of(error: ApprovalError) -> Exception:
    """The problem for `error`; the error itself when it has nothing to add."""
    if isinstance(error, AlreadyDecided):
        at = error.at.isoformat() if error.at else None
        return Problem(
            error.status, error.code, str(error), decided_by=error.by or None, decided_at=at, outcome=error.outcome
        )
    if isinstance(error, NotEligible) and error.eligibility is not None:
        return Problem(error.status, error.code, str(error), rules=eligibility_document(error.eligibility)["rules"])
    return error
