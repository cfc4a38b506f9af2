"""Joins the wiring to Django, so that every process that sets Django up also has the Celery application."""

from django.apps import AppConfig


class WiringConfig(AppConfig):
    name = "config"
    label = "countersign_config"

    def ready(self) -> None:
        from config import celery  # noqa: F401  (jobs bind to the current application, which this import makes)
