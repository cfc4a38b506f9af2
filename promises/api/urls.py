"""Addresses under /api/. Ids of promises may hold `:`, `.` and even `/`, as they are or percent-encoded."""

from django.urls import path, re_path

from promises.api import views

ID = r"(?P<promise_id>.+)"

urlpatterns = [
    path("promises/", views.PromiseList.as_view(), name="api-promises"),
    re_path(rf"^promises/{ID}/resolve/\Z", views.PromiseResolve.as_view(), name="api-promise-resolve"),
    re_path(rf"^promises/{ID}/reject/\Z", views.PromiseReject.as_view(), name="api-promise-reject"),
    re_path(rf"^promises/{ID}/cancel/\Z", views.PromiseCancel.as_view(), name="api-promise-cancel"),
    re_path(rf"^promises/{ID}/\Z", views.PromiseDetail.as_view(), name="api-promise"),
]
