"""Addresses under /api/."""

from django.urls import path

from approvals.api import views

urlpatterns = [
    path("approvals/", views.ApprovalList.as_view(), name="api-approvals"),
    path("approvals/<str:approval_id>/", views.ApprovalDetail.as_view(), name="api-approval"),
    path("approvals/<str:approval_id>/decisions/", views.ApprovalDecide.as_view(), name="api-approval-decide"),
    path(
        "approvals/<str:approval_id>/eligibility/", views.ApprovalEligibility.as_view(), name="api-approval-eligibility"
    ),
]
