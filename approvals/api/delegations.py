"""REST over delegations: who stands in for whom, and when."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from approvals import operations
from approvals.api.views import DECIDE, READ, ApprovalView
from approvals.api.working import REASON_LIMIT, ReasonSerializer
from approvals.delegations import Delegation
from promises.api import inputs
from promises.api.outputs import iso
from promises.api.pagination import before, cursor_of, limit_of, page_response
from promises.api.schema import CURSOR, LIMIT, example, page_of, problems

NAME_LIMIT = 150
ACTIVE = OpenApiParameter("active", bool, description="true: only those that hold now.")


class DelegateSerializer(serializers.Serializer[Any]):
    """Who stands in, and for how long."""

    delegate = inputs.TextField(max_length=NAME_LIMIT, help_text="The user name of who stands in.")
    delegator = inputs.TextField(
        max_length=NAME_LIMIT, required=False, help_text="The user name of who is away: you, unless given."
    )
    starts_at = inputs.DeadlineField(required=False, help_text="Now, unless given.")
    ends_at = inputs.DeadlineField(help_text="At most a year later.")
    reason = inputs.TextField(max_length=REASON_LIMIT, required=False, allow_blank=True, default="")


class DelegationSerializer(serializers.Serializer[Any]):
    """One person decides in the place of another, for a time."""

    id = serializers.IntegerField()
    delegator = serializers.CharField()
    delegate = serializers.CharField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    reason = serializers.CharField()
    created_by = serializers.CharField()
    revoked_at = serializers.DateTimeField(allow_null=True)


class DelegationList(ApprovalView):
    scopes: ClassVar[dict[str, str]] = {"GET": READ, "POST": DECIDE}

    @extend_schema(
        operation_id="delegations_list",
        tags=["delegations"],
        parameters=[ACTIVE, LIMIT, CURSOR],
        responses={200: page_of("DelegationPage", DelegationSerializer)} | problems(400, 401, 403),
    )
    def get(self, request: Request) -> Response:
        """List the delegations that you gave or were given, the latest first."""
        limit, cursor = limit_of(request), cursor_of(request, int, int)
        rows = Delegation.objects.concerning(request.user.get_username())
        if inputs.text_param(request, "active", choices=frozenset({"true", "false"})) == "true":
            rows = rows.active(self.now)
        if cursor:
            rows = rows.filter(before(*cursor, field="starts_at"))
        return page_response(
            request,
            rows.order_by("-starts_at", "-id")[: limit + 1],
            limit=limit,
            key=lambda row: [row.starts_at, row.pk],
            show=delegation_document,
        )

    @extend_schema(
        operation_id="delegations_create",
        tags=["delegations"],
        request=DelegateSerializer,
        responses={201: DelegationSerializer} | problems(400, 401, 403, 413, 415, 422),
        examples=[example("away", {"delegate": "carol", "ends_at": "14d", "reason": "On holiday."})],
    )
    def post(self, request: Request) -> Response:
        """Let somebody decide in your place for a time; operators do so for others. He must pass every rule himself."""
        body = DelegateSerializer(data=request.data, context={"now": self.now})
        body.is_valid(raise_exception=True)
        sent = body.validated_data
        made = operations.delegation_create(
            sent.get("delegator", request.user.get_username()),
            sent["delegate"],
            starts_at=sent.get("starts_at", self.now),
            ends_at=sent["ends_at"],
            reason=sent["reason"],
            by=request.user,
            now=self.now,
            is_person=self.is_person,
            as_operator=self.as_operator,
        )
        return Response(delegation_document(made), status=201)


class DelegationRevoke(ApprovalView):
    scopes: ClassVar[dict[str, str]] = {"POST": DECIDE}

    @extend_schema(
        operation_id="delegations_revoke",
        tags=["delegations"],
        request=ReasonSerializer,
        responses={200: DelegationSerializer} | problems(400, 401, 403, 404),
    )
    def post(self, request: Request, delegation_id: int) -> Response:
        """End a delegation now. Answers that were given stay given."""
        body = ReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        revoked = operations.delegation_revoke(
            delegation_id,
            by=request.user,
            reason=body.validated_data["reason"],
            now=self.now,
            as_operator=self.as_operator,
        )
        return Response(delegation_document(revoked))


def delegation_document(delegation: Delegation) -> dict[str, Any]:
    """The JSON of DelegationSerializer."""
    return {
        "id": delegation.pk,
        "delegator": delegation.delegator,
        "delegate": delegation.delegate,
        "starts_at": iso(delegation.starts_at),
        "ends_at": iso(delegation.ends_at),
        "reason": delegation.reason,
        "created_by": delegation.created_by,
        "revoked_at": iso(delegation.revoked_at),
    }
