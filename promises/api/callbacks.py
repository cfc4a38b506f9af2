"""The addresses that a latent promise gives to the outside world: GET describes, POST settles. No account is needed."""

from typing import Any, ClassVar

from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from promises import store
from promises.api.base import ApiView
from promises.api.outputs import iso
from promises.api.schema import example, problems
from promises.api.settling import promise_answer, refuse_approval
from promises.callback_urls import Grant, InvalidToken, is_latent, token_grant
from promises.problems import Problem
from promises.records import PromiseRecord
from promises.states import PromiseState
from promises.values import Value


class CallbackAnswerSerializer(serializers.Serializer[Any]):
    """Exactly one of the two: `value` resolves the promise, `error` rejects it."""

    value = serializers.JSONField(required=False, allow_null=True)
    error = serializers.JSONField(required=False, help_text=gettext_lazy('A text, or an object with a "message".'))

    def validate_error(self, value: Any) -> dict[str, Any]:
        message = value.get("message") if isinstance(value, dict) else value
        if not isinstance(message, str) or not message:
            raise ValidationError(_('An error is a text, or an object with a "message".'))
        return value if isinstance(value, dict) else {"message": value}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("value" in attrs) == ("error" in attrs):
            raise ValidationError(_('Answer with either {"value": ...} or {"error": ...}.'))
        return attrs


class CallbackStateSerializer(serializers.Serializer[Any]):
    """The promise behind the address."""

    id = serializers.CharField()
    state = serializers.ChoiceField(choices=[state.value for state in PromiseState])
    expires_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)
    answer = serializers.CharField(help_text=gettext_lazy("How to answer."))


class Callback(ApiView):
    """Whoever holds the address may answer, so nothing here looks at cookies or at the Authorization header: with
    no ambient right to abuse there is nothing for a CSRF token to protect, and REST views are exempt from Django's
    check."""

    authentication_classes: ClassVar[list[Any]] = []  # type: ignore[misc]
    permission_classes: ClassVar[list[Any]] = [AllowAny]  # type: ignore[misc]

    @extend_schema(
        operation_id="callbacks_get",
        tags=["callbacks"],
        auth=[],
        responses={200: CallbackStateSerializer} | problems(404, 410),
    )
    def get(self, request: Request, token: str) -> Response:
        """Say what this address is for. Never settles anything: mail scanners and previews follow links."""
        grant = self._grant(token)
        promise = store.promise_get(grant.promise_id, now=self.now)
        refuse_occupied(promise)
        return Response(state_document(promise, grant))

    @extend_schema(
        operation_id="callbacks_answer",
        tags=["callbacks"],
        auth=[],
        request=CallbackAnswerSerializer,
        responses={200: CallbackStateSerializer} | problems(400, 403, 404, 409, 410, 413, 415),
        examples=[
            example("passed", {"value": {"passed": True}}),
            example("failed", {"error": {"message": "3 tests failed"}}),
        ],
    )
    def post(self, request: Request, token: str) -> Response:
        """Settle the promise. The first answer stands: the same one again is 200, another one 409."""
        grant = self._grant(token)
        refuse_occupied(store.promise_get(grant.promise_id, now=self.now))
        body = CallbackAnswerSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        if "error" in body.validated_data:
            state, value = PromiseState.REJECTED, Value.of(body.validated_data["error"])
        else:
            state, value = PromiseState.RESOLVED, Value.of(body.validated_data["value"])
        return Response(state_document(promise_answer(grant.promise_id, state, value, now=self.now), grant))

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response.headers["Referrer-Policy"] = "no-referrer"
        return super().finalize_response(request, response, *args, **kwargs)

    def _grant(self, token: str) -> Grant:
        try:
            grant = token_grant(token)
        except InvalidToken:
            raise Problem(404, "InvalidToken", _("This is no callback address, or part of it is missing.")) from None
        if grant.expires_at <= self.now:
            detail = _("This callback address expired at %(at)s.") % {"at": iso(grant.expires_at)}
            raise Problem(410, "Expired", detail)
        return grant


def refuse_occupied(promise: PromiseRecord) -> None:
    """403 for promises that settle by a function, a timer or a person, should an address for one ever have been
    signed."""
    refuse_approval(promise)
    if not is_latent(promise):
        raise Problem(403, "NotLatent", _("This promise is settled by its own function, not from outside."))


def state_document(promise: PromiseRecord, grant: Grant) -> dict[str, Any]:
    """The JSON of CallbackStateSerializer; the promise's param and value stay inside."""
    if promise.is_pending:
        answer = _('POST JSON to this address: {"value": ...} resolves it, {"error": {"message": "..."}} rejects it.')
    else:
        answer = _("It has been answered.")
    return {
        "id": promise.id,
        "state": str(promise.state),
        "expires_at": iso(grant.expires_at),
        "settled_at": iso(promise.settled_at),
        "answer": answer,
    }


urlpatterns = [path("<str:token>/", Callback.as_view(), name="callback")]
