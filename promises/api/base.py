"""The view that every REST route derives from: JSON in, JSON or a problem out, nothing cached, nothing guessed."""

from typing import Any, ClassVar

from drf_spectacular.openapi import AutoSchema
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from promises.api.parsers import StrictJSONParser
from promises.api.permissions import HasScope
from promises.problems import exception_handler
from promises.times import now_ms


class AsciiJSONRenderer(JSONRenderer):
    """JSON in ASCII: a stored string with half a surrogate pair must not break the answer that shows it."""

    ensure_ascii = True
    charset = None


class ApiView(APIView):
    """`scopes` and `user_permissions` map methods to what HasScope asks for. The clock is read once a request, by
    `now`."""

    renderer_classes: ClassVar[list[type[BaseRenderer]]] = [AsciiJSONRenderer]  # type: ignore[misc]
    parser_classes: ClassVar[list[type[BaseParser]]] = [StrictJSONParser]  # type: ignore[misc]
    permission_classes: ClassVar[list[Any]] = [HasScope]  # type: ignore[misc]
    metadata_class = None
    http_method_names: ClassVar[list[str]] = ["get", "head", "post"]  # type: ignore[misc]
    schema = AutoSchema()
    scopes: ClassVar[dict[str, str]] = {}
    user_permissions: ClassVar[dict[str, str]] = {}
    now: int

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.now = now_ms()
        super().initial(request, *args, **kwargs)

    def get_exception_handler(self) -> Any:
        return exception_handler

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response
