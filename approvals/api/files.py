"""Files of requests by REST: uploaded before the answer that refers to them, and downloaded by whoever may see them."""

from collections.abc import Mapping
from typing import IO, Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from approvals import operations, queries
from approvals.api.views import DECIDE, READ, ApprovalView
from approvals.downloads import download
from approvals.files import FILE_LIMIT
from promises.api import inputs
from promises.api.schema import problems
from promises.problems import Problem

NAME = OpenApiParameter("name", str, description="What the file is called.")


class FileSerializer(serializers.Serializer[Any]):
    """A file; an answer refers to it by its id."""

    id = serializers.CharField()
    name = serializers.CharField()
    content_type = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes.")
    sha256 = serializers.CharField()


class ContentParser(BaseParser):
    """The body as it is, of any type, up to the size of a file."""

    media_type = "*/*"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        content = bytes(stream.read(FILE_LIMIT + 1))
        if len(content) > FILE_LIMIT:
            raise Problem(413, "PayloadTooLarge", f"A file has at most {FILE_LIMIT} bytes.")
        return content


class ApprovalFiles(ApprovalView):
    scopes: ClassVar[dict[str, str]] = {"POST": DECIDE}
    parser_classes: ClassVar[list[type[BaseParser]]] = [ContentParser]  # type: ignore[misc]

    @extend_schema(
        operation_id="approvals_upload",
        tags=["approvals"],
        parameters=[NAME],
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses={201: FileSerializer} | problems(400, 401, 403, 404, 409, 413, 422),
    )
    def post(self, request: Request, approval_id: str) -> Response:
        """Upload a file for the answer that you are about to give: the body is the content, `Content-Type` its type.
        Refer to it in the decision's `input` as {"id": ...}."""
        body: Any = request.data
        file = operations.file_add(
            queries.request_get(approval_id).pk,
            actor=request.user,
            name=inputs.text_param(request, "name") or "file",
            content_type=request.content_type or "",
            content=body if isinstance(body, bytes) else b"",
            now=self.now,
            is_person=self.is_person,
        )
        return Response(file.model_dump(), status=201)


class ApprovalFile(ApprovalView):
    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @extend_schema(
        operation_id="approvals_download",
        tags=["approvals"],
        responses={
            (200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, description="The content."),
            **problems(401, 403, 404),
        },
    )
    def get(self, request: Request, approval_id: str, file_id: str) -> HttpResponse:
        """Download a file of the approval: one that belongs to an answer, or one that you uploaded yourself."""
        return download(operations.file_of(self.approval(approval_id), file_id, request.user))
