"""REST over working with requests: claiming, handing on, adding approvers, escalating, reminding, commenting; and what
happened to a request. Each route calls one operation, which has the rules."""

from typing import Any, ClassVar

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from approvals import operations, queries
from approvals.api.outputs import ApprovalSerializer, EventSerializer, event_document
from approvals.api.views import ADMIN, CHANNEL, DECIDE, READ, ApprovalView
from approvals.models import ApprovalRequest
from approvals.submissions import COMMENT_LIMIT
from promises.api import inputs
from promises.api.pagination import cursor_of, limit_of, page_response
from promises.api.schema import CURSOR, LIMIT, example, page_of, problems
from promises.problems import Problem

REASON_LIMIT = 2000
PRINCIPAL_LIMIT = 200


class ReasonSerializer(serializers.Serializer[Any]):
    """Why; it is recorded."""

    reason = inputs.TextField(max_length=REASON_LIMIT, required=False, allow_blank=True, default="")


class ReassignSerializer(ReasonSerializer):
    """Whom to ask instead of whom, as principals."""

    instead_of = inputs.TextField(max_length=PRINCIPAL_LIMIT, help_text="user:NAME is one's own to hand on.")
    to = inputs.TextField(max_length=PRINCIPAL_LIMIT)


class ApproverSerializer(ReasonSerializer):
    """Whom to ask too, as a principal."""

    principal = inputs.TextField(max_length=PRINCIPAL_LIMIT)
    required = serializers.BooleanField(  # type: ignore[assignment]  # the field's name hides a keyword's attribute
        default=True, help_text="Must answer as well (true), or may answer instead of others (false)."
    )


class EscalateSerializer(ReasonSerializer):
    """Whom to ask too, as a principal."""

    to = inputs.TextField(max_length=PRINCIPAL_LIMIT)


class OverrideSerializer(serializers.Serializer[Any]):
    """Which outcome, and why it does not wait for the policy."""

    outcome = inputs.TextField(max_length=100)
    reason = inputs.TextField(max_length=REASON_LIMIT)
    input = serializers.JSONField(required=False, allow_null=True, help_text="What the outcome's form asks for.")


class CommentSerializer(serializers.Serializer[Any]):
    text = inputs.TextField(max_length=COMMENT_LIMIT)


class WorkingView(ApprovalView):
    """POST does one thing to a request and answers it as it is then; doing it again is 200 too."""

    scopes: ClassVar[dict[str, str]] = {"POST": DECIDE}
    body: ClassVar[type[serializers.Serializer[Any]]] = ReasonSerializer

    def post(self, request: Request, approval_id: str) -> Response:
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        return self.respond(self.work(approval_id, **body.validated_data))

    def work(self, approval_id: str, **sent: Any) -> ApprovalRequest:
        """Call the operation."""
        raise NotImplementedError

    @property
    def who(self) -> dict[str, Any]:
        """What every operation is told of the caller."""
        return {"actor": self.request.user, "channel": CHANNEL, "now": self.now}


def documented(name: str, summary: str, serializer: Any = None, body: dict[str, Any] | None = None) -> Any:
    """How a route of this module describes itself."""
    described = extend_schema(
        operation_id=f"approvals_{name}",
        tags=["approvals"],
        description=summary,
        request=serializer,
        responses={200: ApprovalSerializer} | problems(400, 401, 403, 404, 409, 413, 415, 422),
        examples=[example(name, body)] if body else [],
    )
    return extend_schema_view(post=described)


@documented("claim", "Keep it for yourself for four hours; others are told that you have claimed it.")
class ApprovalClaim(WorkingView):
    body = serializers.Serializer

    def work(self, approval_id: str, **sent: Any) -> ApprovalRequest:
        return operations.approval_claim(approval_id, is_person=self.is_person, **self.who)


@documented("release", "Give your claim back; an operator takes anybody's away.", ReasonSerializer)
class ApprovalRelease(WorkingView):
    def work(self, approval_id: str, **sent: Any) -> ApprovalRequest:
        return operations.approval_release(approval_id, as_operator=self.as_operator, **sent, **self.who)


@documented(
    "reassign",
    "Hand your place to somebody else; an operator hands on anybody's.",
    ReassignSerializer,
    {"instead_of": "user:bob", "to": "user:carol", "reason": "She knows the supplier."},
)
class ApprovalReassign(WorkingView):
    body = ReassignSerializer

    def work(self, approval_id: str, **sent: Any) -> ApprovalRequest:
        return operations.approval_reassign(
            approval_id, is_person=self.is_person, as_operator=self.as_operator, **sent, **self.who
        )


@documented(
    "add",
    "Ask somebody too. That he must answer as well, whoever may decide can ask; instead of others, an operator.",
    ApproverSerializer,
    {"principal": "user:erin", "required": True, "reason": "Her budget."},
)
class ApprovalApprovers(WorkingView):
    body = ApproverSerializer

    def work(self, approval_id: str, **sent: Any) -> ApprovalRequest:
        return operations.approval_add_approver(
            approval_id,
            principal=sent["principal"],
            is_required=sent["required"],
            reason=sent["reason"],
            is_person=self.is_person,
            as_operator=self.as_operator,
            **self.who,
        )


@documented(
    "escalate",
    "Ask others too, in this stage and all later ones. For operators.",
    EscalateSerializer,
    {"to": "group:leads", "reason": "The customer waits."},
)
class ApprovalEscalate(WorkingView):
    scopes: ClassVar[dict[str, str]] = {"POST": ADMIN}
    body = EscalateSerializer

    def work(self, approval_id: str, **sent: Any) -> ApprovalRequest:
        return operations.approval_escalate(approval_id, as_operator=self.as_operator, **sent, **self.who)


@documented("remind", "Remind those who are asked, again: for whoever asked, every 15 minutes at most.")
class ApprovalRemind(WorkingView):
    body = serializers.Serializer

    def work(self, approval_id: str, **sent: Any) -> ApprovalRequest:
        return operations.approval_remind(approval_id, as_operator=self.as_operator, **self.who)


@documented(
    "override",
    "Decide it around its policy: takes the permission to override, and a reason; it is recorded as an override.",
    OverrideSerializer,
    {"outcome": "reject", "reason": "Everybody who is asked has left; agreed with the board."},
)
class ApprovalOverride(WorkingView):
    scopes: ClassVar[dict[str, str]] = {"POST": ADMIN}
    body = OverrideSerializer

    def work(self, approval_id: str, **sent: Any) -> ApprovalRequest:
        return operations.approval_override(approval_id, as_operator=self.as_operator, **sent, **self.who)


class ApprovalComments(ApprovalView):
    scopes: ClassVar[dict[str, str]] = {"POST": DECIDE}

    @extend_schema(
        operation_id="approvals_comment",
        tags=["approvals"],
        request=CommentSerializer,
        responses={201: EventSerializer} | problems(400, 401, 403, 404, 413, 415, 422),
        examples=[example("comment", {"text": "I have asked the supplier for the receipt."})],
    )
    def post(self, request: Request, approval_id: str) -> Response:
        """Say something about it, without deciding it."""
        body = CommentSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        event = operations.approval_comment(
            approval_id, actor=request.user, text=body.validated_data["text"], channel=CHANNEL, now=self.now
        )
        return Response(event_document(event), status=201)


class ApprovalEvents(ApprovalView):
    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @extend_schema(
        operation_id="approvals_events",
        tags=["approvals"],
        parameters=[LIMIT, CURSOR],
        responses={200: page_of("EventPage", EventSerializer)} | problems(400, 401, 403, 404),
    )
    def get(self, request: Request, approval_id: str) -> Response:
        """List what happened to it, in order: each event with its hash and that of the one before."""
        limit, cursor = limit_of(request), cursor_of(request, int)
        events = queries.events(self.approval(approval_id), after=cursor[0] if cursor else 0)
        return page_response(
            request, events[: limit + 1], limit=limit, key=lambda event: [event.number], show=event_document
        )


class ApprovalReceipt(ApprovalView):
    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @extend_schema(
        operation_id="approvals_receipt",
        tags=["approvals"],
        responses={200: OpenApiTypes.OBJECT} | problems(401, 403, 404),
    )
    def get(self, request: Request, approval_id: str) -> Response:
        """Get the signed receipt of its decision; `./run manage receipt verify` checks it anywhere."""
        decision = queries.decision_get(self.approval(approval_id).pk)
        if decision.receipt is None:
            detail = _("This decision carries no receipt: the installation had no signing key.")
            raise Problem(404, "NoReceipt", detail)
        return Response(decision.receipt)
