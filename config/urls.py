"""Addresses of the whole site; each app lists its own."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from promises import health
from promises.api.metrics import MetricsView

handler400 = "promises.error_views.bad_request"
handler403 = "promises.error_views.permission_denied"
handler404 = "promises.error_views.page_not_found"
handler500 = "promises.outage.server_error"

urlpatterns = [
    path("health/", health.health, name="health"),
    path("ready/", health.ready, name="ready"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("accounts/login/", LoginView.as_view(), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("api/", include("config.api_urls")),
    path("callbacks/", include("promises.api.callbacks")),
    path("", include("approvals.urls")),
]
