"""The examples app: an expense claim, a refund and a release."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ExamplesConfig(AppConfig):
    name = "examples"
    verbose_name = _("Examples")
    default_auto_field = "django.db.models.BigAutoField"
