"""The chaos as an app of the project, so that the workers find its workflows."""

from django.apps import AppConfig


class ChaosConfig(AppConfig):
    name = "bench.chaos"
    label = "chaos"
