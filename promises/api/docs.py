"""The OpenAPI document and the page that renders it, without inline scripts or styles (the Content-Security-Policy
forbids them)."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path(
        "docs/",
        SpectacularSwaggerSplitView.as_view(url_name="api-schema", template_name="promises/api_docs.html"),
        name="api-docs",
    ),
]
