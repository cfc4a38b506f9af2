"""REST over approvals. Decisions go through `approval_decide`, as those of the pages do; no rule is written here."""

from typing import Any, ClassVar
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from approvals import operations, queries
from approvals.api import asking
from approvals.api.asking import AskSerializer
from approvals.api.outputs import (
    STATES,
    ApprovalSerializer,
    ApprovalSummarySerializer,
    EligibilitySerializer,
    approval_document,
    eligibility_document,
    summary_document,
)
from approvals.api.refusals import problem_of
from approvals.api.selection import FOR, approvals_for, newest_first
from approvals.channels import API
from approvals.confirming import confirmed_at
from approvals.errors import ApprovalError
from approvals.models import ApprovalRequest
from approvals.people import user_named
from approvals.submissions import COMMENT_LIMIT
from promises import store
from promises.api import inputs
from promises.api.base import ApiView
from promises.api.pagination import cursor_of, limit_of, page_response
from promises.api.schema import CURSOR, LIMIT, WAIT, example, page_of, problems
from promises.api.waiting import respond_settled
from promises.problems import Problem
from promises.times import now_ms

CREATE, READ = "approvals:create", "approvals:read"
DECIDE, ADMIN = "approvals:decide", "approvals:admin"
KEY_LIMIT = 255
CHANNEL = API.name

IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="The ETag of the card that was read; 412 if it has changed."
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Accepted, but not needed: one person's same answer is the same answer, with or without it.",
)


ASK_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Your own name for this question: sent again, it asks nobody twice.",
)


# The examples of the documentation.
MISFIT = {
    "type": "urn:countersign:problem:InvalidInput",
    "title": "The answer does not fit the form; `fields` say what is wrong where",
    "status": 422,
    "detail": "/input/percent: At most 50.",
    "code": "InvalidInput",
    "instance": "/api/approvals/5aef935e-8f0f-491c-9e8d-4df28ca8d7b9/decisions/",
    "errors": {"/input/percent": ["At most 50."]},
}
CHANGED = {
    "type": "urn:countersign:problem:RequestChanged",
    "title": "The card has changed since it was shown; read it again and decide then",
    "status": 412,
    "detail": "The request has changed since you read it. Nothing was decided.",
    "code": "RequestChanged",
    "instance": "/api/approvals/5aef935e-8f0f-491c-9e8d-4df28ca8d7b9/decisions/",
    "version": 2,
    "digest": "9f2c4c1b6e0a1f7d52d0b6f2a7b1c3e4d5f60718293a4b5c6d7e8f9001122334",
    "changes": [{"op": "replace", "path": "/proposal/value/amount", "old": "80.00", "value": "75.00"}],
}


class DecisionSerializer(serializers.Serializer[Any]):
    """An answer to a request for approval."""

    outcome = inputs.TextField(max_length=100, help_text="The name of one of the approval's outcomes.")
    comment = inputs.TextField(max_length=COMMENT_LIMIT, required=False, allow_null=True, allow_blank=True)
    on_behalf_of = inputs.TextField(
        max_length=150, required=False, help_text="In whose place, if you stand in for several people."
    )
    input = serializers.JSONField(
        required=False, allow_null=True, help_text='What the outcome\'s form asks for; a file as {"id": ...}.'
    )
    value = serializers.JSONField(
        required=False, allow_null=True, help_text="The corrected proposal; the fields that changed are enough."
    )
    stage = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, help_text="The stage that is answered; the open one unless given."
    )


class ApprovalView(ApiView):
    def approval(self, approval_id: str) -> ApprovalRequest:
        """The request, if it concerns the caller."""
        found = queries.request_get(approval_id)
        if not queries.can_see(self.request.user, found, self.now):
            raise Problem(403, "NotConcerned", _("This request for approval does not concern you."))
        return found

    def respond(self, approval: ApprovalRequest, status: int = 200) -> Response:
        progress = queries.waits_for([approval])[approval.pk]
        document = approval_document(approval, progress, list(approval.ballots.all()), now_ms())
        return Response(document, status=status, headers={"ETag": f'"{approval.digest}"'})

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(problem_of(exc) if isinstance(exc, ApprovalError) else exc)

    @property
    def as_operator(self) -> bool:
        """Whether the caller may use the permissions of its user: a session always, a token by its scope."""
        token: Any = self.request.auth
        return token is None or token.has_scope(ADMIN)

    @property
    def is_person(self) -> bool:
        """A session is a person's; a token may act for a machine."""
        return bool(getattr(self.request.auth, "human", True))

    @property
    def confirmed_at(self) -> int | None:
        """When the person behind a session last entered his password; a token proves nothing about who is there."""
        return confirmed_at(self.request) if self.request.auth is None else None


class ApprovalList(ApprovalView):
    scopes: ClassVar[dict[str, str]] = {"GET": READ, "POST": CREATE}

    @extend_schema(
        operation_id="approvals_list",
        tags=["approvals"],
        parameters=[
            OpenApiParameter(
                "for", str, enum=sorted(FOR), description="me: what you are asked; mine: what you asked for."
            ),
            OpenApiParameter("state", str, enum=STATES),
            OpenApiParameter("workflow", str),
            OpenApiParameter("execution", str, description="The id of an execution."),
            LIMIT,
            CURSOR,
        ],
        responses={200: page_of("ApprovalPage", ApprovalSummarySerializer)} | problems(400, 401, 403),
    )
    def get(self, request: Request) -> Response:
        """List the requests for approval that concern you, newest first. `for=me&state=pending` is your inbox."""
        limit = limit_of(request)
        rows = approvals_for(
            request.user,
            whose=inputs.text_param(request, "for", choices=FOR),
            state=inputs.text_param(request, "state", choices=frozenset(STATES)),
            now=self.now,
        )
        if workflow := inputs.text_param(request, "workflow"):
            rows = rows.filter(workflow=workflow)
        if execution := inputs.text_param(request, "execution"):
            rows = rows.filter(execution_id=execution)
        found = list(newest_first(rows, self._cursor(request))[: limit + 1])
        waiting = queries.waits_for(found)
        return page_response(
            request,
            found,
            limit=limit,
            key=lambda row: [row.opened_at, str(row.pk)],
            show=lambda row: summary_document(row, waiting[row.pk], self.now),
        )

    @extend_schema(
        operation_id="approvals_create",
        tags=["approvals"],
        parameters=[ASK_KEY],
        request=AskSerializer,
        responses={201: ApprovalSerializer, 200: ApprovalSerializer} | problems(400, 401, 403, 409, 413, 415, 422),
        examples=[example("a refund", asking.REFUND), example("an answer with a form", asking.MAINTENANCE)],
    )
    def post(self, request: Request) -> Response:
        """Ask people (201), without any workflow; then read it with `?wait=60s` for the answer. The same
        Idempotency-Key finds what was asked with it (200); with another question it is 409."""
        body = AskSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        key = request.headers.get("Idempotency-Key", "")
        if len(key) > KEY_LIMIT:
            raise ValidationError({"Idempotency-Key": [_("At most %(limit)d characters.") % {"limit": KEY_LIMIT}]})
        approval, is_new = operations.approval_ask(body.card(request.user.get_username()), key=key, now=self.now)
        return self.respond(approval, status=201 if is_new else 200)

    def _cursor(self, request: Request) -> tuple[int, UUID] | None:
        cursor = cursor_of(request, int, str)
        try:
            return (cursor[0], UUID(cursor[1])) if cursor else None
        except ValueError:
            raise ValidationError({"cursor": [_("This cursor belongs to another list.")]}) from None


class ApprovalDetail(ApprovalView):
    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @extend_schema(
        operation_id="approvals_get",
        tags=["approvals"],
        parameters=[WAIT],
        responses={200: ApprovalSerializer} | problems(400, 401, 403, 404),
    )
    def get(self, request: Request, approval_id: str) -> Response:
        """Get a request for approval with its card; with `wait`, when it is decided. Its `ETag` is the digest."""
        return respond_settled(
            request,
            promise_id=self.approval(approval_id).promise_id,
            wait=inputs.wait_ms(request),
            look=lambda now: look(approval_id, now),
            is_over=lambda found: found[1],
            respond=lambda found: self.respond(found[0]),
        )


class ApprovalDecide(ApprovalView):
    scopes: ClassVar[dict[str, str]] = {"POST": DECIDE}

    @extend_schema(
        operation_id="approvals_decide",
        tags=["approvals"],
        parameters=[IF_MATCH, IDEMPOTENCY_KEY],
        request=DecisionSerializer,
        responses={201: ApprovalSerializer, 200: ApprovalSerializer}
        | problems(400, 401, 403, 404, 409, 412, 413, 415, 422),
        examples=[
            example("approve", {"outcome": "approve", "comment": "Within the policy."}),
            example("reject", {"outcome": "reject", "comment": "The receipt of the 3rd is missing."}),
            example("with a form", {"outcome": "canary", "input": {"percent": 5, "until": "2026-12-31"}}),
            example("with a correction", {"outcome": "approve", "value": {"amount": "10.00"}}),
            example("what does not fit", MISFIT, request=False, status=422),
            example("what has changed", CHANGED, request=False, status=412),
        ],
    )
    def post(self, request: Request, approval_id: str) -> Response:
        """Decide (201). The same answer again is 200 with what there is; somebody else's other one is 409. What does
        not fit the outcome's form is 422 with a JSON pointer for each field; an answer to an older version is 412 with
        what has changed since."""
        body = DecisionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        sent = body.validated_data
        approval = queries.request_get(approval_id)
        vote = operations.approval_decide(
            approval.pk,
            actor=request.user,
            outcome=sent["outcome"],
            comment=sent.get("comment") or "",
            input=sent.get("input"),
            value=sent.get("value"),
            stage=sent["stage"] - 1 if sent.get("stage") else None,
            channel=CHANNEL,
            now=self.now,
            digest=digest_read(request.headers.get("If-Match", ""), approval.digest),
            on_behalf_of=sent.get("on_behalf_of") or "",
            is_person=self.is_person,
            confirmed_at=self.confirmed_at,
        )
        return self.respond(vote.request, status=200 if vote.is_repeated else 201)


class ApprovalEligibility(ApprovalView):
    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @extend_schema(
        operation_id="approvals_eligibility",
        tags=["approvals"],
        parameters=[OpenApiParameter("user", str, description="Somebody else; needs the permission to see requests.")],
        responses={200: EligibilitySerializer} | problems(401, 403, 404),
    )
    def get(self, request: Request, approval_id: str) -> Response:
        """May you decide, and if not, why: each rule with pass or fail, by the code that enforces them."""
        approval = queries.request_get(approval_id)
        name = inputs.text_param(request, "user")
        if name in ("", request.user.get_username()):
            found = queries.eligibility(approval, request.user, self.now, is_person=self.is_person)
        else:
            found = queries.eligibility(approval, self._other(name), self.now)
        return Response(eligibility_document(found))

    def _other(self, name: str) -> Any:
        permission = queries.MAY_SEE_REQUESTS
        if not (self.as_operator and self.request.user.has_perm(permission)):
            detail = _("Asking about others takes the permission %(permission)s.") % {"permission": permission}
            raise Problem(403, "MissingPermission", detail, permission=permission)
        user = user_named(name)
        if user is None:
            raise Problem(404, "UserNotFound", _("There is no active user “%(name)s”.") % {"name": name})
        return user


def look(approval_id: str, now: int) -> tuple[ApprovalRequest, bool]:
    """The request, and whether waiting for it makes no sense any more. The promise is read first: a request that is
    read after its promise has settled shows what was decided in the same commit."""
    promise_id = queries.request_get(approval_id).promise_id
    is_settled = not store.promise_get(promise_id, now=now).is_pending
    approval = queries.request_get(approval_id)
    return approval, is_settled or not approval.is_pending or queries.is_overdue(approval, now)


def digest_read(if_match: str, current: str) -> str | None:
    """The digest that an If-Match header insists on: the current one if it is among several; None for none and `*`."""
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in if_match.split(",") if tag.strip()]
    if not tags or "*" in tags:
        return None
    return current if current in tags else tags[0]
