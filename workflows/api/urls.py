"""Addresses under /api/."""

from django.urls import path

from workflows.api import views

urlpatterns = [
    path("executions/", views.ExecutionList.as_view(), name="api-executions"),
    path("executions/<str:execution_id>/", views.ExecutionDetail.as_view(), name="api-execution"),
    path("executions/<str:execution_id>/cancel/", views.ExecutionCancel.as_view(), name="api-execution-cancel"),
    path("executions/<str:execution_id>/continue/", views.ExecutionContinue.as_view(), name="api-execution-continue"),
]
