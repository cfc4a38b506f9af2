"""What a person sends as an answer, checked against the frozen card: the same for every channel, and for the virtual
people of tests. Pure functions; who may answer at all is for `rules.py` to say."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from approvals import proposals, rules
from approvals.cards import Card
from approvals.errors import CommentRequired, FieldError, InvalidInput
from approvals.files import File, file_rule, files_in
from approvals.outcomes import Outcome, gettext_noop
from approvals.rules import Eligibility
from approvals.schemas import Schema, is_storable

COMMENT_LIMIT = 10_000  # characters
INPUT_LIMIT = 256 * 1024  # bytes of JSON: it is kept with the ballot, and read by the workflow

COMMENT_NEEDED = gettext_noop("This outcome needs a comment that says why.")
TOO_LARGE = gettext_noop("This is more than can be kept (%(limit)s kB).")
UNFIT = gettext_noop("This holds characters that cannot be kept.")
NO_INPUT = gettext_noop("This outcome takes no input.")
NO_PROPOSAL = gettext_noop("There is nothing here that can be corrected.")
NO_EDIT = gettext_noop("A correction goes with an approval; this outcome takes none.")


@dataclass(frozen=True, slots=True)
class Submission:
    """An answer that fits: `input` with its files completed, and the card as the answer leaves it (`is_edited`: with a
    corrected proposal)."""

    outcome: Outcome
    comment: str
    input: Any
    card: Card
    is_edited: bool


def submission_check(
    card: Card,
    found: Eligibility,
    *,
    outcome: str,
    comment: str = "",
    input: Any = None,
    value: Any = None,
    file: Callable[[str], File | None],
) -> Submission:
    """The answer, if this person may give it and it fits. `value` is the corrected proposal: the fields that changed
    are enough. `file(id)` finds an upload of this person.

    Errors: NotEligible, AlreadyVoted, UnknownOutcome, CommentRequired (nothing else is wrong), InvalidInput (with every
    field that is).
    """
    trouble: list[FieldError] = []
    try:
        chosen = rules.ballot_check(found, card.offered, outcome, comment)
    except CommentRequired:
        chosen = next(item for item in card.offered if item.name == outcome)
        trouble.append(FieldError("/comment", COMMENT_NEEDED))
    completed = copy.deepcopy(input)
    trouble += _input_errors(card.form_for(chosen), completed, file)
    edited, wrong = _edited(card, chosen, value, file)
    trouble += wrong
    if [field.message for field in trouble] == [COMMENT_NEEDED]:
        raise CommentRequired
    if trouble:
        raise InvalidInput(trouble)
    is_edited = edited is not card
    return Submission(chosen, comment.strip(), completed, edited, is_edited)


def _input_errors(schema: Schema | None, input: Any, file: Callable[[str], File | None]) -> list[FieldError]:
    if schema is None:
        return [] if input is None else [FieldError("/input", NO_INPUT)]
    if (problem := _storage_problem("/input", input)) is not None:
        return [problem]
    from approvals.validation import errors_in

    return errors_in(schema, input, "/input", file_rule(file))


def _edited(
    card: Card, outcome: Outcome, value: Any, file: Callable[[str], File | None]
) -> tuple[Card, list[FieldError]]:
    """The card with the corrected proposal, or what is wrong with the correction."""
    if value is None:
        return card, []
    if card.proposal is None:
        return card, [FieldError("/value", NO_PROPOSAL)]
    edited = proposals.edited(card.proposal, copy.deepcopy(value))
    if edited == card.proposal.value:
        return card, []
    if outcome.is_negative:
        return card, [FieldError("/value", NO_EDIT)]
    if (problem := _storage_problem("/value", edited)) is not None:
        return card, [problem]
    from approvals.validation import errors_in

    known = {kept.id: kept for kept in files_in(card.proposal.value)}
    wrong = proposals.edit_errors(card.proposal, edited, "/value")
    told = {error.pointer for error in wrong}
    found = errors_in(card.proposal.schema, edited, "/value", file_rule(lambda key: known.get(key) or file(key)))
    return card.but(edited), [*wrong, *(error for error in found if error.pointer not in told)]


def _storage_problem(pointer: str, value: Any) -> FieldError | None:
    if not is_storable(value):
        return FieldError(pointer, UNFIT)
    if len(json.dumps(value)) > INPUT_LIMIT:
        return FieldError(pointer, TOO_LARGE, {"limit": INPUT_LIMIT // 1024})
    return None
