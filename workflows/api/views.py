"""REST over executions. Starting is idempotent by id: the second time answers with the execution that there is."""

from typing import Any, ClassVar

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from promises import queries
from promises.api import inputs
from promises.api.base import ApiView
from promises.api.pagination import before, cursor_of, limit_of, page_response
from promises.api.schema import CURSOR, LIMIT, WAIT, example, page_of, problems
from promises.api.search import record_of, state_is
from promises.api.settling import already_settled
from promises.api.waiting import respond_settled
from promises.problems import Problem
from promises.records import PromiseRecord
from promises.states import PromiseState
from promises.times import now_ms
from workflows import executions
from workflows.api import access
from workflows.api.outputs import (
    STATES,
    ExecutionSerializer,
    ExecutionSummarySerializer,
    execution_document,
    summary_document,
)
from workflows.errors import ExecutionNotFound
from workflows.halts import execution_continue, halt_words
from workflows.strands import check_id

LARGEST_VERSION = 2**31 - 1


class ExecutionStartSerializer(serializers.Serializer[Any]):
    """What to start. Arguments are JSON and are checked against the function's signature."""

    workflow = inputs.TextField(max_length=200)
    id = inputs.TextField(required=False, allow_null=True, help_text="Made up when missing.")
    args = serializers.ListField(child=serializers.JSONField(allow_null=True), required=False)
    kwargs = serializers.DictField(child=serializers.JSONField(allow_null=True), required=False)
    version = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=LARGEST_VERSION, help_text="The newest when missing."
    )


class ExecutionView(ApiView):
    def document(self, graph: list[PromiseRecord]) -> dict[str, Any]:
        root = graph[0]
        halted = queries.halted_in([root.id]) if root.is_pending else {}
        return execution_document(graph, halt_words(root.id, halted.get(root.id, ())))

    def graph_or_404(self, id: str, now: int) -> list[PromiseRecord]:
        """The call graph of an execution that the caller may see."""
        graph = queries.promise_graph(check_id(id), now=now)
        if not graph or not is_execution(graph[0]) or not access.can_see(self.request, graph[0]):
            raise ExecutionNotFound(_("There is no execution “%(id)s” that you may see.") % {"id": id})
        return graph


class ExecutionList(ExecutionView):
    scopes: ClassVar[dict[str, str]] = {"GET": access.READ, "POST": access.START}

    @extend_schema(
        operation_id="executions_list",
        tags=["executions"],
        parameters=[
            OpenApiParameter("state", str, enum=STATES),
            OpenApiParameter("workflow", str, description="Only executions of this workflow."),
            OpenApiParameter("halted", str, enum=["true"], description="Only those of which something is halted."),
            LIMIT,
            CURSOR,
        ],
        responses={200: page_of("ExecutionPage", ExecutionSummarySerializer)} | problems(400, 401, 403),
    )
    def get(self, request: Request) -> Response:
        """List executions, newest first: all with a token, with a session those that you may see."""
        limit = limit_of(request)
        rows = access.visible(request, queries.executions())
        if state := inputs.text_param(request, "state", choices=frozenset(PromiseState)):
            rows = rows.filter(state_is(state, self.now))
        if workflow := inputs.text_param(request, "workflow"):
            rows = rows.filter(tags__contains={"countersign:func": workflow})
        if inputs.text_param(request, "halted", choices=frozenset({"true"})):
            rows = rows.filter(state_is(PromiseState.PENDING, self.now), pk__in=queries.halted_executions())
        if cursor := cursor_of(request, int, str):
            rows = rows.filter(before(*cursor))
        found = list(rows[: limit + 1])
        halted = queries.halted_in(row.id for row in found)
        return page_response(
            request,
            found,
            limit=limit,
            key=lambda row: [row.created_at, row.id],
            show=lambda row: summary_document(record_of(row, self.now), halt_words(row.id, halted.get(row.id, ()))),
        )

    @extend_schema(
        operation_id="executions_start",
        tags=["executions"],
        request=ExecutionStartSerializer,
        responses={201: ExecutionSerializer, 200: ExecutionSerializer}
        | problems(400, 401, 403, 404, 409, 413, 415, 422),
        examples=[
            example(
                "an expense claim",
                {
                    "workflow": "expense",
                    "id": "expense-2026-11",
                    "kwargs": {
                        "claimant": "ana",
                        "csv": "date,category,description,amount\n2026-11-03,meals,Supper,84.50",
                    },
                },
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Start a workflow (201), or find the execution that has this id already (200). You are its requester."""
        body = ExecutionStartSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        handle, created = executions.start(
            given["workflow"],
            given.get("args", []),
            given.get("kwargs", {}),
            id=given.get("id"),
            version=given.get("version"),
            requester=access.username_of(request),
        )
        graph = queries.promise_graph(handle.id, now=now_ms())
        if not created and not (graph and is_execution(graph[0]) and access.can_see(request, graph[0])):
            detail = _("The id “%(id)s” is taken by something that you may not see.") % {"id": handle.id}
            raise Problem(409, "IdTaken", detail)
        return Response(self.document(graph), status=201 if created else 200)


class ExecutionDetail(ExecutionView):
    scopes: ClassVar[dict[str, str]] = {"GET": access.READ}

    @extend_schema(
        operation_id="executions_get",
        tags=["executions"],
        parameters=[WAIT],
        responses={200: ExecutionSerializer} | problems(400, 401, 403, 404),
    )
    def get(self, request: Request, execution_id: str) -> Response:
        """Get an execution with its call graph; with `wait`, when it has finished."""
        return respond_settled(
            request,
            promise_id=execution_id,
            wait=inputs.wait_ms(request),
            look=lambda now: self.graph_or_404(execution_id, now),
            is_over=lambda graph: not graph[0].is_pending,
            respond=lambda graph: Response(self.document(graph)),
        )


class ExecutionCancel(ExecutionView):
    scopes: ClassVar[dict[str, str]] = {"POST": access.START}

    @extend_schema(
        operation_id="executions_cancel",
        tags=["executions"],
        request=None,
        responses={200: ExecutionSerializer} | problems(400, 401, 403, 404, 409),
    )
    def post(self, request: Request, execution_id: str) -> Response:
        """Cancel an execution and everything below it that is still pending. Canceling again is 200; one that is
        done, 409."""
        root = self.graph_or_404(execution_id, self.now)[0]
        if not access.can_cancel(request, root):
            detail = _("Only whoever started an execution may cancel it, or an account that may settle promises.")
            raise Problem(403, "NotRequester", detail)
        canceled = executions.Handle(execution_id).cancel()
        if canceled.state != PromiseState.REJECTED_CANCELED:
            raise already_settled(canceled)
        return Response(self.document(self.graph_or_404(execution_id, now_ms())))


class ContinueSerializer(serializers.Serializer[Any]):
    """Why it may go on: what was mended."""

    reason = inputs.TextField(max_length=1000)


class ExecutionContinue(ExecutionView):
    scopes: ClassVar[dict[str, str]] = {"POST": access.OPERATE}
    user_permissions: ClassVar[dict[str, str]] = {"POST": access.MAY_OPERATE}

    @extend_schema(
        operation_id="executions_continue",
        tags=["executions"],
        request=ContinueSerializer,
        responses={200: ExecutionSerializer} | problems(400, 401, 403, 404, 409, 413, 415, 422),
        examples=[example("after a fix", {"reason": "The rate table is deployed."})],
    )
    def post(self, request: Request, execution_id: str) -> Response:
        """Let every halted part of an execution go on; 409 when nothing of it is halted. The reason is recorded."""
        body = ContinueSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        self.graph_or_404(execution_id, self.now)
        execution_continue(execution_id, body.validated_data["reason"], by=request.user)
        return Response(self.document(self.graph_or_404(execution_id, now_ms())))


def is_execution(root: PromiseRecord) -> bool:
    """Whether the promise executes a function, rather than waiting for somebody."""
    return "resonate:target" in root.tags
