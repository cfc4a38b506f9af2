"""The workflows app: plain async functions that survive restarts."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class WorkflowsConfig(AppConfig):
    name = "workflows"
    verbose_name = "Workflows"

    def ready(self) -> None:
        """Find every installed app's workflows.py, as the admin finds its admin.py."""
        autodiscover_modules("workflows")
