"""The bench as an app of the project it measures, so that a worker finds its workflows."""

from django.apps import AppConfig


class BenchConfig(AppConfig):
    name = "bench"
