"""What a refused decision tells besides its message: who was first and with what, each rule with the reason, what is
wrong with which field, or what has changed."""

from approvals import wording
from approvals.api.outputs import eligibility_document
from approvals.errors import AlreadyDecided, ApprovalError, CommentRequired, InvalidInput, NotEligible, RequestChanged
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
    if isinstance(error, RequestChanged):
        changes = [change.to_json() for change in error.changes]
        return Problem(
            error.status, error.code, str(error), digest=error.digest, version=error.version, changes=changes
        )
    if isinstance(error, InvalidInput):
        errors = {field.pointer or "/": [wording.of_field(field)] for field in error.fields}
        return Problem(error.status, error.code, str(error), errors=errors)
    if isinstance(error, CommentRequired):
        return Problem(error.status, error.code, str(error), errors={"/comment": [str(error)]})
    return error
