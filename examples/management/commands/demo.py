"""`manage.py demo`: the people of the demonstration.

Repeating it changes nothing; outside demo mode it refuses, since everybody knows their password.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.translation import gettext as _

PASSWORD = "demo"  # noqa: S105 (meant to be known)
PEOPLE: dict[str, list[str]] = {
    "ana": [],
    "bob": ["finance"],
    "carol": ["finance"],
    "dave": ["sre"],
    "erin": ["sre"],
    "frank": ["sre"],
    "admin": [],
}
SUPERUSERS = {"admin"}


class Command(BaseCommand):
    help = "Create ana, bob, carol, dave, erin, frank and admin (password demo), and their groups."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.COUNTERSIGN_DEMO:
            raise CommandError(_("Demo people are created in demo mode only: set COUNTERSIGN_DEMO=1."))
        created = people_create()
        if options["verbosity"] > 0:
            self.stdout.write(_("Demo people created: %(names)s") % {"names": ", ".join(created) or "-"})


@transaction.atomic
def people_create() -> list[str]:
    """Create whoever is missing, with their groups; returns their names. An account that is there stays
    as it is, whoever made it."""
    users = get_user_model().objects
    known = set(users.filter(username__in=PEOPLE).values_list("username", flat=True))
    missing = [name for name in PEOPLE if name not in known]
    password = make_password(PASSWORD) if missing else ""  # slow on purpose: once for all of them
    for name in missing:
        is_superuser = name in SUPERUSERS
        user = users.create(
            username=name,
            password=password,
            first_name=name.capitalize(),
            email=f"{name}@example.com",
            is_staff=is_superuser,
            is_superuser=is_superuser,
        )
        user.groups.set([Group.objects.get_or_create(name=group)[0] for group in PEOPLE[name]])
    return missing
