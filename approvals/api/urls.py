"""Addresses under /api/."""

from django.urls import path

from approvals.api import batch, delegations, files, views, working

urlpatterns = [
    path("approvals/", views.ApprovalList.as_view(), name="api-approvals"),
    path("approvals/<str:approval_id>/", views.ApprovalDetail.as_view(), name="api-approval"),
    path("approvals/<str:approval_id>/decisions/", views.ApprovalDecide.as_view(), name="api-approval-decide"),
    path("approvals/<str:approval_id>/files/", files.ApprovalFiles.as_view(), name="api-approval-files"),
    path("approvals/<str:approval_id>/files/<str:file_id>/", files.ApprovalFile.as_view(), name="api-approval-file"),
    path(
        "approvals/<str:approval_id>/eligibility/", views.ApprovalEligibility.as_view(), name="api-approval-eligibility"
    ),
    *(
        path(f"approvals/<str:approval_id>/{name}/", view.as_view(), name=f"api-approval-{name}")
        for name, view in {
            "claim": working.ApprovalClaim,
            "release": working.ApprovalRelease,
            "reassign": working.ApprovalReassign,
            "approvers": working.ApprovalApprovers,
            "override": working.ApprovalOverride,
            "escalate": working.ApprovalEscalate,
            "remind": working.ApprovalRemind,
            "comments": working.ApprovalComments,
            "events": working.ApprovalEvents,
            "receipt": working.ApprovalReceipt,
        }.items()
    ),
    path("decisions/batch/", batch.DecisionBatch.as_view(), name="api-decisions-batch"),
    path("delegations/", delegations.DelegationList.as_view(), name="api-delegations"),
    path(
        "delegations/<int:delegation_id>/revoke/", delegations.DelegationRevoke.as_view(), name="api-delegation-revoke"
    ),
]
