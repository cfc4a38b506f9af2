"""The answer that a page sends: which outcome, why, and which card it was an answer to."""

from django import forms

COMMENT_LIMIT = 10_000


class DecisionForm(forms.Form):
    """Whether the outcome is offered and wants a comment is for `approval_decide` to say; here is only its shape."""

    outcome = forms.CharField(max_length=40)
    comment = forms.CharField(max_length=COMMENT_LIMIT, required=False)
    digest = forms.CharField(max_length=64, required=False)
    stage = forms.IntegerField(required=False, min_value=0)
