"""Addresses of the pages."""

from django.urls import path

from approvals.views import claims, decision, inbox, measures, runs, start

app_name = "approvals"

urlpatterns = [
    path("", inbox.inbox, name="inbox"),
    path("approvals/<str:id>/", decision.decision, name="decision"),
    path("approvals/<str:id>/claim/", claims.claim, name="claim"),
    path("approvals/<str:id>/release/", claims.release, name="release"),
    path("approvals/<str:id>/files/<str:file_id>/", decision.file, name="file"),
    path("runs/", runs.runs, name="runs"),
    path("runs/<str:id>/", runs.run, name="run"),
    path("runs/<str:id>/cancel/", runs.cancel, name="run-cancel"),
    path("runs/<str:id>/continue/", runs.continue_halted, name="run-continue"),
    path("measures/", measures.measures, name="measures"),
    path("start/", start.workflows, name="start"),
    path("start/<str:name>/", start.start_workflow, name="start-workflow"),
    path("start/<str:name>/samples/<str:file>/", start.sample, name="sample"),
]
