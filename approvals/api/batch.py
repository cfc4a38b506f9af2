"""Several answers in one call, each with its own result: no rule is looser here, and two are stricter (channels.py)."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from approvals import operations
from approvals.api.views import DECIDE, ApprovalView
from approvals.channels import BATCH
from approvals.errors import ApprovalError
from approvals.submissions import COMMENT_LIMIT
from promises.api import inputs
from promises.api.schema import example, problems

BATCH_LIMIT = 100


class BatchItemSerializer(serializers.Serializer[Any]):
    """One answer."""

    id = inputs.TextField(max_length=36)
    outcome = inputs.TextField(max_length=100)
    comment = inputs.TextField(max_length=COMMENT_LIMIT, required=False, allow_blank=True, default="")
    digest = inputs.TextField(max_length=64, required=False, help_text="Of the card that was read.")


class BatchSerializer(serializers.Serializer[Any]):
    decisions = serializers.ListField(child=BatchItemSerializer(), min_length=1, max_length=BATCH_LIMIT)


class BatchResultSerializer(serializers.Serializer[Any]):
    """What became of one answer: `status` as the single call would have answered it."""

    id = serializers.CharField()
    status = serializers.IntegerField()
    state = serializers.CharField(allow_null=True)
    code = serializers.CharField(allow_null=True)
    detail = serializers.CharField(allow_null=True)


class BatchResultsSerializer(serializers.Serializer[Any]):
    results = BatchResultSerializer(many=True)


class DecisionBatch(ApprovalView):
    scopes: ClassVar[dict[str, str]] = {"POST": DECIDE}

    @extend_schema(
        operation_id="approvals_batch",
        tags=["approvals"],
        request=BatchSerializer,
        responses={200: BatchResultsSerializer} | problems(400, 401, 403, 413, 415),
        examples=[
            example(
                "two answers",
                {
                    "decisions": [
                        {"id": "0b8f2a52-3c1e-5d9a-8a53-6f1f6c5d2e10", "outcome": "approve"},
                        {"id": "7d2c1b0e-9a44-5e0b-b1c7-2f3e4d5c6b7a", "outcome": "reject", "comment": "Twice."},
                    ]
                },
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Answer up to 100 requests of low risk that ask for no input. Each is decided or refused by itself, in order;
        the call is 200 whatever they say, and can be repeated."""
        body = BatchSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response({"results": [self._decide(item) for item in body.validated_data["decisions"]]})

    def _decide(self, item: dict[str, Any]) -> dict[str, Any]:
        found = {"id": item["id"], "state": None, "code": None, "detail": None}
        try:
            vote = operations.approval_decide(
                item["id"],
                actor=self.request.user,
                outcome=item["outcome"],
                comment=item["comment"],
                digest=item.get("digest"),
                channel=BATCH.name,
                now=self.now,
                is_person=self.is_person,
                confirmed_at=self.confirmed_at,
            )
        except ApprovalError as error:
            return {**found, "status": error.status, "code": error.code, "detail": str(error)}
        return {**found, "status": 200 if vote.is_repeated else 201, "state": vote.request.state}
