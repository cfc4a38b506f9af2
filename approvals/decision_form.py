"""The answer that a page sends: which outcome, why, to which card, what its form asks for, and how the proposal was
corrected. Whether it fits is for `approval_decide` to say; here is its shape, and what the page shows of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.http import QueryDict

from approvals import proposals
from approvals.cards import Card
from approvals.fields.reading import ABSENT, Reader
from approvals.fields.showing import Field, Shower
from approvals.outcomes import Outcome
from approvals.submissions import COMMENT_LIMIT

INPUT = "input"  # the controls of the request's form
PROPOSAL = "proposal"  # those of the proposal; a control of that name alone says that they were there


class DecisionForm(forms.Form):
    """What every answer has. `change` ("add:NAME", "remove:NAME/2") asks for another row in a list, or for one less,
    and decides nothing."""

    outcome = forms.CharField(max_length=40, required=False)
    comment = forms.CharField(max_length=COMMENT_LIMIT, required=False)
    digest = forms.CharField(max_length=64, required=False)
    stage = forms.IntegerField(required=False, min_value=0)
    change = forms.CharField(max_length=500, required=False)


@dataclass
class Section:
    """The controls of one form; `outcomes` are the labels of those that ask for it, [] when all do."""

    root: Field
    outcomes: list[str]

    @property
    def fields(self) -> list[Field]:
        return self.root.fields if self.root.kind in ("group", "tuple") else [self.root]


@dataclass
class Answer:
    """What stands in the controls of a card: `data` as it was sent, or nothing yet. `errors` are by JSON pointer, for
    the form `errors_in`, or that of the outcome that was chosen; `initial` is what a form is filled in with at first,
    by its name."""

    card: Card
    data: QueryDict = field(default_factory=QueryDict)
    errors: Mapping[str, str] = field(default_factory=dict)
    initial: Mapping[str, Any] = field(default_factory=dict)
    errors_in: str = ""

    @property
    def outcome(self) -> Outcome | None:
        """The outcome that was chosen, if it is offered."""
        return next((outcome for outcome in self.card.offered if outcome.name == self.data.get("outcome")), None)

    def input(self) -> Any:
        """What the form of the chosen outcome was filled in with; None where it has none."""
        schema = self.card.form_for(self.outcome) if self.outcome else None
        if self.outcome is None or schema is None:
            return None
        read = Reader(self.data).read(schema, form_name(self.outcome))
        return None if read is ABSENT else read

    def value(self) -> Any:
        """The proposal as it was corrected; None where nothing could be, or the outcome takes no correction."""
        is_negative = self.outcome is not None and self.outcome.is_negative
        if self.card.proposal is None or PROPOSAL not in self.data or is_negative:
            return None
        return Reader(self.data).read_correction(self.card.proposal, PROPOSAL)

    def sections(self) -> list[Section]:
        """The forms: the request's own, then those of single outcomes."""
        shared = [o for o in self.card.offered if o.form is None and self.card.form_for(o) is not None]
        groups = ([shared] if shared else []) + [[o] for o in self.card.offered if o.form is not None]
        is_for_all = len(shared) == len(self.card.offered)
        return [Section(self._form(group[0]), [] if is_for_all else [o.label for o in group]) for group in groups]

    def proposal(self) -> Field | None:
        """What is proposed, with controls for what may be corrected."""
        proposal = self.card.proposal
        if proposal is None:
            return None
        value, reader = proposal.value, Reader(self.data)
        if PROPOSAL in self.data and proposal.is_editable:
            value = proposals.edited(proposal, reader.read_correction(proposal, PROPOSAL))
        return Shower(self.errors, reader.rows, proposal.editable).show(proposal.schema, value, PROPOSAL, "/value")

    def _form(self, outcome: Outcome) -> Field:
        schema, name, reader = self.card.form_for(outcome) or {}, form_name(outcome), Reader(self.data)
        value = reader.read(schema, name) if self.data else self.initial.get(name)
        blamed = self.errors_in or (form_name(self.outcome) if self.outcome else "")
        shower = Shower(self.errors if blamed == name else {}, reader.rows)
        return shower.show(schema, None if value is ABSENT else value, name, "/input", label="answer")


def form_name(outcome: Outcome) -> str:
    """What the controls of an outcome's form are called: those of the request's form, unless it has one of its own."""
    return INPUT if outcome.form is None else f"{INPUT}.{outcome.name}"


def file_names(shown: Field) -> set[str]:
    """The names of the controls that take a file."""
    inner = {name for part in shown.fields for name in file_names(part)}
    return inner | {shown.name} if shown.kind == "file" else inner
