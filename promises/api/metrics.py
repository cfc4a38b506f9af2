"""`/metrics`: what the database says of the installation, in Prometheus' text format."""

from typing import Any, ClassVar

from django.http import HttpResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from rest_framework.request import Request

from promises.api.base import ApiView
from promises.metrics import Installation


class MetricsView(ApiView):
    """Whoever scrapes needs a token with the scope metrics:read; people, the permission to view tasks."""

    scopes: ClassVar[dict[str, str]] = {"GET": "metrics:read"}
    user_permissions: ClassVar[dict[str, str]] = {"GET": "promises.view_task"}
    schema: Any = None

    def get(self, request: Request) -> HttpResponse:
        registry = CollectorRegistry()
        registry.register(Installation(self.now))
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return HttpResponse(encode(registry), content_type=content_type)
