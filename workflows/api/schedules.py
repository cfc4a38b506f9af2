"""REST over schedules. Creating is idempotent by id. What the code declares is paused here, and deleted there."""

from datetime import timedelta
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from promises.api import inputs
from promises.api.base import ApiView
from promises.api.outputs import iso
from promises.api.pagination import cursor_of, limit_of, page_response
from promises.api.schema import CURSOR, LIMIT, example, page_of, problems
from promises.records import ScheduleRecord
from promises.times import NEVER
from workflows import schedules
from workflows.api import access
from workflows.api.outputs import arguments_document, call_of, version_of
from workflows.api.views import ExecutionStartSerializer

READ, WRITE = "schedules:read", "schedules:write"


class ScheduleCreateSerializer(ExecutionStartSerializer):
    """What to start, and when. The executions are started in the name of the caller."""

    id = inputs.TextField(max_length=180)
    cron = inputs.TextField(
        max_length=200, help_text=gettext_lazy("Five fields, minute to day of week; or six, with seconds first.")
    )
    time_zone = inputs.TextField(
        required=False, max_length=64, help_text=gettext_lazy("As in Europe/Berlin; UTC when missing.")
    )
    timeout = inputs.DurationField(
        required=False,
        allow_null=True,
        help_text=gettext_lazy("The time of each execution, such as 1d; none by default."),
    )


class SchedulePauseSerializer(serializers.Serializer[Any]):
    """Why it is to start nothing more."""

    reason = inputs.TextField(max_length=1000)


class ScheduleSerializer(serializers.Serializer[Any]):
    """A schedule."""

    id = serializers.CharField()
    workflow = serializers.CharField()
    version = serializers.IntegerField(allow_null=True)
    args = serializers.ListField(child=serializers.JSONField())
    kwargs = serializers.DictField(child=serializers.JSONField())
    cron = serializers.CharField()
    time_zone = serializers.CharField()
    timeout_ms = serializers.IntegerField(
        allow_null=True, help_text=gettext_lazy("The time of each execution; null: no limit.")
    )
    requester = serializers.CharField()
    created_at = serializers.DateTimeField()
    next_run_at = serializers.DateTimeField()
    last_run_at = serializers.DateTimeField(allow_null=True)
    paused_at = serializers.DateTimeField(allow_null=True)
    pause_reason = serializers.CharField()
    declared = serializers.BooleanField(help_text=gettext_lazy("Whether the code declares it."))


def schedule_document(schedule: ScheduleRecord) -> dict[str, Any]:
    """The JSON of ScheduleSerializer."""
    tags = schedule.promise_tags
    return {
        "id": schedule.id,
        "workflow": tags.get("countersign:func") or call_of(schedule.promise_param).get("func", ""),
        "version": version_of(tags),
        **arguments_document(schedule.promise_param),
        "cron": schedule.cron,
        "time_zone": schedule.time_zone,
        "timeout_ms": None if schedule.promise_timeout >= NEVER else schedule.promise_timeout,
        "requester": tags.get("countersign:requester", ""),
        "created_at": iso(schedule.created_at),
        "next_run_at": iso(schedule.next_run_at),
        "last_run_at": iso(schedule.last_run_at),
        "paused_at": iso(schedule.paused_at),
        "pause_reason": schedule.pause_reason,
        "declared": schedule.is_declared,
    }


class ScheduleView(ApiView):
    scopes: ClassVar[dict[str, str]] = {"GET": READ, "POST": WRITE, "DELETE": WRITE}
    user_permissions: ClassVar[dict[str, str]] = {
        "GET": "promises.view_schedule",
        "POST": "promises.change_schedule",
        "DELETE": "promises.delete_schedule",
    }


class ScheduleList(ScheduleView):
    user_permissions: ClassVar[dict[str, str]] = {**ScheduleView.user_permissions, "POST": "promises.add_schedule"}

    @extend_schema(
        operation_id="schedules_list",
        tags=["schedules"],
        parameters=[LIMIT, CURSOR],
        responses={200: page_of("SchedulePage", ScheduleSerializer)} | problems(400, 401, 403),
    )
    def get(self, request: Request) -> Response:
        """List schedules in the order of their ids."""
        limit = limit_of(request)
        cursor = cursor_of(request, str)
        rows = schedules.search(after=cursor[0] if cursor else "", limit=limit + 1)
        return page_response(request, rows, limit=limit, key=lambda row: [row.id], show=schedule_document)

    @extend_schema(
        operation_id="schedules_create",
        tags=["schedules"],
        request=ScheduleCreateSerializer,
        responses={201: ScheduleSerializer, 200: ScheduleSerializer} | problems(400, 401, 403, 404, 413, 415, 422),
        examples=[
            example(
                "every working day at three",
                {
                    "id": "nightly",
                    "workflow": "report",
                    "cron": "0 3 * * 1-5",
                    "time_zone": "Europe/Berlin",
                    "timeout": "6h",
                },
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Create a schedule (201), or find the one that has this id already, unchanged (200)."""
        body = ScheduleCreateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        timeout = given.get("timeout")
        schedule, created = schedules.create(
            given["id"],
            given["workflow"],
            given.get("args", []),
            given.get("kwargs", {}),
            cron=given["cron"],
            time_zone=given.get("time_zone", "UTC"),
            version=given.get("version"),
            timeout=None if timeout is None else timedelta(milliseconds=min(timeout, NEVER)),
            requester=access.username_of(request),
        )
        return Response(schedule_document(schedule), status=201 if created else 200)


class ScheduleDetail(ScheduleView):
    http_method_names: ClassVar[list[str]] = ["get", "head", "delete"]  # type: ignore[misc]

    @extend_schema(
        operation_id="schedules_get",
        tags=["schedules"],
        responses={200: ScheduleSerializer} | problems(400, 401, 403, 404),
    )
    def get(self, request: Request, schedule_id: str) -> Response:
        """Get a schedule."""
        return Response(schedule_document(schedules.get(schedule_id)))

    @extend_schema(
        operation_id="schedules_delete",
        tags=["schedules"],
        responses={204: None} | problems(400, 401, 403, 404, 409),
    )
    def delete(self, request: Request, schedule_id: str) -> Response:
        """Delete a schedule; what it has started goes on. One that the code declares is 409: pause it instead."""
        schedules.delete(schedule_id)
        return Response(status=204)


class SchedulePause(ScheduleView):
    @extend_schema(
        operation_id="schedules_pause",
        tags=["schedules"],
        request=SchedulePauseSerializer,
        responses={200: ScheduleSerializer} | problems(400, 401, 403, 404, 413, 415),
        examples=[example("a reason", {"reason": "The ledger is being closed."})],
    )
    def post(self, request: Request, schedule_id: str) -> Response:
        """Start nothing more until it is resumed; what is missed meanwhile is not made up for."""
        body = SchedulePauseSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(schedule_document(schedules.pause(schedule_id, body.validated_data["reason"])))


class ScheduleResume(ScheduleView):
    @extend_schema(
        operation_id="schedules_resume",
        tags=["schedules"],
        request=None,
        responses={200: ScheduleSerializer} | problems(400, 401, 403, 404),
    )
    def post(self, request: Request, schedule_id: str) -> Response:
        """Start again, from the next occurrence on."""
        return Response(schedule_document(schedules.resume(schedule_id)))
