"""Addresses of the REST API, its schema and its documentation."""

from django.urls import include, path, re_path

from promises.error_views import unknown_address

urlpatterns = [
    path("", include("promises.api.docs")),
    path("", include("promises.api.urls")),
    path("", include("workflows.api.urls")),
    path("", include("approvals.api.urls")),
    re_path(r"^(?P<rest>.*)\Z", unknown_address),
]
