"""REST over promises: create, list, get, settle. Creation and settlement are idempotent, as in the Durable Promise
specification."""

from typing import Any, ClassVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from promises import store
from promises.api import inputs
from promises.api.base import ApiView
from promises.api.outputs import PromiseSerializer, promise_document
from promises.api.pagination import cursor_of, limit_of, page_response
from promises.api.permissions import is_allowed
from promises.api.schema import CURSOR, LIMIT, WAIT, example, page_of, problems
from promises.api.search import promise_find, promise_search
from promises.api.settling import promise_answer
from promises.api.waiting import respond_settled
from promises.problems import Problem
from promises.records import PromiseRecord
from promises.states import PromiseState
from promises.times import NEVER
from promises.values import EMPTY, Value

READ, WRITE = "promises:read", "promises:write"
MAY_VIEW, MAY_CHANGE = "promises.view_promise", "promises.change_promise"
RESERVED_TAGS = "countersign:"


class PromiseCreateSerializer(serializers.Serializer[Any]):
    """A promise to create. `value` is another name for `param`."""

    id = inputs.TextField(max_length=inputs.ID_LIMIT)
    timeout = inputs.DeadlineField(
        required=False,
        allow_null=True,
        help_text=gettext_lazy("Ms since the epoch, an ISO date-time, or a duration such as 1h; none by default."),
    )
    param = serializers.JSONField(required=False, allow_null=True)
    value = serializers.JSONField(required=False, allow_null=True)
    tags = serializers.DictField(child=inputs.TextField(allow_blank=True), required=False)

    def validate_id(self, value: str) -> str:
        return inputs.promise_id(value)

    def validate_tags(self, value: dict[str, str]) -> dict[str, str]:
        if any(tag.startswith(RESERVED_TAGS) for tag in value):
            raise ValidationError(_("Tags that begin with countersign: are set by Countersign itself."))
        if "resonate:target" in value:  # it would run with nobody as its requester, and without executions:start
            raise ValidationError(_("A promise that runs a workflow is started by POST /api/executions/."))
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "param" in attrs and "value" in attrs:
            raise ValidationError(_("Give param or value, not both: they are the same thing."))
        return attrs

    def param_value(self) -> Value:
        given = [self.validated_data[name] for name in ("param", "value") if name in self.validated_data]
        return Value.of(given[0]) if given else EMPTY


class PromiseSettleSerializer(serializers.Serializer[Any]):
    """What the promise is settled with; null when absent."""

    value = serializers.JSONField(required=False, allow_null=True)


class PromiseView(ApiView):
    scopes: ClassVar[dict[str, str]] = {"GET": READ, "POST": WRITE}
    user_permissions: ClassVar[dict[str, str]] = {"GET": MAY_VIEW, "POST": MAY_CHANGE}

    def shown(self, promise: PromiseRecord) -> dict[str, Any]:
        may_write = is_allowed(self.request, scope=WRITE, permission=MAY_CHANGE)
        return promise_document(promise, now=self.now, may_write=may_write)


class PromiseList(PromiseView):
    @extend_schema(
        operation_id="promises_list",
        tags=["promises"],
        parameters=[
            OpenApiParameter("state", str, enum=[state.value for state in PromiseState]),
            OpenApiParameter("prefix", str, description="Only ids that begin with this."),
            LIMIT,
            CURSOR,
        ],
        responses={200: page_of("PromisePage", PromiseSerializer)} | problems(400, 401, 403),
    )
    def get(self, request: Request) -> Response:
        """List promises in the order of their ids."""
        limit = limit_of(request)
        cursor = cursor_of(request, str)
        rows = promise_search(
            now=self.now,
            state=inputs.text_param(request, "state", choices=frozenset(PromiseState)),
            prefix=inputs.text_param(request, "prefix"),
            after=cursor[0] if cursor else "",
            limit=limit + 1,
        )
        return page_response(request, rows, limit=limit, key=lambda row: [row.id], show=self.shown)

    @extend_schema(
        operation_id="promises_create",
        tags=["promises"],
        request=PromiseCreateSerializer,
        responses={201: PromiseSerializer, 200: PromiseSerializer} | problems(400, 401, 403, 413, 415),
        examples=[example("a latent promise", {"id": "ci-417", "timeout": "2h", "param": {"commit": "9f3a"}})],
    )
    def post(self, request: Request) -> Response:
        """Create a promise (201), or find the one that has this id already, unchanged (200)."""
        body = PromiseCreateSerializer(data=request.data, context={"now": self.now})
        body.is_valid(raise_exception=True)
        id = body.validated_data["id"]
        refuse_inside_execution(id, now=self.now)
        timeout = body.validated_data.get("timeout")
        promise, created = store.promise_create(
            id,
            timeout_at=NEVER if timeout is None else timeout,
            now=self.now,
            param=body.param_value(),
            tags=body.validated_data.get("tags", {}),
        )
        return Response(self.shown(promise), status=201 if created else 200)


class PromiseDetail(PromiseView):
    @extend_schema(
        operation_id="promises_get",
        tags=["promises"],
        parameters=[WAIT],
        responses={200: PromiseSerializer} | problems(400, 401, 403, 404),
    )
    def get(self, request: Request, promise_id: str) -> Response:
        """Get a promise; with `wait`, when it settles."""
        return respond_settled(
            request,
            promise_id=promise_id,
            wait=inputs.wait_ms(request),
            look=lambda now: store.promise_get(promise_id, now=now),
            is_over=lambda promise: not promise.is_pending,
            respond=lambda promise: Response(self.shown(promise)),
        )


class PromiseSettle(PromiseView):
    """One of resolve, reject and cancel; `state` says which."""

    state = ""

    def post(self, request: Request, promise_id: str) -> Response:
        body = PromiseSettleSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        value = Value.of(body.validated_data["value"]) if "value" in body.validated_data else EMPTY
        return Response(self.shown(promise_answer(promise_id, self.state, value, now=self.now)))


def settle_view(verb: str, state: PromiseState) -> type[PromiseSettle]:
    """The view of one verb, with its own place in the schema."""
    described = extend_schema(
        operation_id=f"promises_{verb}",
        tags=["promises"],
        description=f"Settle it as `{state}`. The first answer stands: the same again is 200, another one 409.",
        request=PromiseSettleSerializer,
        responses={200: PromiseSerializer} | problems(400, 401, 403, 404, 409, 413, 415),
        examples=[example("a verdict", {"value": {"passed": True}})],
    )
    name = f"Promise{verb.title()}"
    return type(name, (PromiseSettle,), {"state": state, "post": described(_own_copy(PromiseSettle.post))})


def _own_copy(post: Any) -> Any:
    def copy(self: PromiseSettle, request: Request, promise_id: str) -> Response:
        return post(self, request, promise_id)  # type: ignore[no-any-return]

    copy.__name__ = "post"
    return copy


def refuse_inside_execution(id: str, *, now: int) -> None:
    """The ids below an execution are its steps': a promise put there would answer for a step, or for a person."""
    root = id.split(":", 1)[0]
    if root == id:
        return
    found = promise_find(root, now=now)
    if found is not None and found.tags.get("resonate:target"):
        detail = _("The ids below %(root)s belong to the steps of that execution.") % {"root": root}
        raise Problem(403, "ReservedId", detail)


PromiseResolve = settle_view("resolve", PromiseState.RESOLVED)
PromiseReject = settle_view("reject", PromiseState.REJECTED)
PromiseCancel = settle_view("cancel", PromiseState.REJECTED_CANCELED)
