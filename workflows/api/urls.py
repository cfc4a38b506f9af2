"""Addresses under /api/."""

from django.urls import path

from workflows.api import schedules, views

urlpatterns = [
    path("executions/", views.ExecutionList.as_view(), name="api-executions"),
    path("executions/<str:execution_id>/", views.ExecutionDetail.as_view(), name="api-execution"),
    path("executions/<str:execution_id>/cancel/", views.ExecutionCancel.as_view(), name="api-execution-cancel"),
    path("executions/<str:execution_id>/continue/", views.ExecutionContinue.as_view(), name="api-execution-continue"),
    path("schedules/", schedules.ScheduleList.as_view(), name="api-schedules"),
    path("schedules/<str:schedule_id>/", schedules.ScheduleDetail.as_view(), name="api-schedule"),
    path("schedules/<str:schedule_id>/pause/", schedules.SchedulePause.as_view(), name="api-schedule-pause"),
    path("schedules/<str:schedule_id>/resume/", schedules.ScheduleResume.as_view(), name="api-schedule-resume"),
]
