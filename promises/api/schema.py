"""How the API describes itself: the parameters, refusals and examples that routes share."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457."""

    type = serializers.CharField(help_text="urn:countersign:problem:<code>")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField(help_text="Stable name of what went wrong.")
    instance = serializers.CharField(help_text="The path that was asked for.")
    errors = serializers.DictField(  # type: ignore[assignment]  # the field's name hides the method, as DRF allows
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="Messages by field.",
    )


PROBLEM_TITLES = {
    400: "Malformed: the body, an id or a parameter.",
    401: "No credentials, or credentials that are not accepted.",
    403: "Not yours: a missing scope or permission, or a rule that excludes you.",
    404: "There is no such thing.",
    409: "Somebody else was first, with something different.",
    410: "Expired.",
    412: "It has changed since you read it.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "Understood, but it does not fit.",
}


def problems(*statuses: int) -> dict[Any, Any]:
    """The refusals of a route for `extend_schema(responses=...)`."""
    return {
        (status, "application/problem+json"): OpenApiResponse(ProblemSerializer, description=PROBLEM_TITLES[status])
        for status in statuses
    }


def page_of(name: str, item: Any) -> Any:
    """The serializer of a list's page."""
    fields = {
        "results": item(many=True),
        "next": serializers.URLField(allow_null=True, help_text="The next page, or null on the last one."),
    }
    return type(name, (serializers.Serializer,), fields)


def example(name: str, value: Any, *, request: bool = True, status: int = 200) -> OpenApiExample:
    """An example of a body that is sent (`request`) or answered."""
    if request:
        return OpenApiExample(name, value=value, request_only=True)
    media_type = "application/problem+json" if status >= 400 else None
    return OpenApiExample(name, value=value, response_only=True, status_codes=[str(status)], media_type=media_type)


WAIT = OpenApiParameter(
    "wait", str, description="Hold the answer until it is settled: 500ms, 30s, 1m; a minute at most."
)
LIMIT = OpenApiParameter("limit", int, description="Rows on a page, 1 to 200 (50).")
CURSOR = OpenApiParameter("cursor", str, description="From `next`; opaque.")


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes the tokens of approvals.tokens without importing them."""

    target_class = "approvals.tokens.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A token of `manage.py token create`."}
