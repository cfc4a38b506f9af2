"""What runs in production: the database's services and deployments, or in local mode this process's memory.

The methods are steps of `release`.
"""

from dataclasses import dataclass, field
from typing import Protocol

from examples.releases import NotNewer, is_newer


class Fleet(Protocol):
    """Knows the version of each service, and changes it."""

    def running(self, services: list[str]) -> dict[str, str]:
        """The version of each of the services; '' for one that was never deployed."""

    def announce(self, execution_id: str, version: str, callback_url: str) -> None:
        """Make the address at which the CI reports known to those who run it."""

    def promote(self, execution_id: str, service: str, version: str) -> str:
        """Put the version into production; returns the one before. Errors: NotNewer."""

    def roll_back(self, execution_id: str, service: str) -> str:
        """Take this execution's promotion back; returns the version that runs then. What somebody has put
        there since stays."""


class DatabaseFleet:
    """The fleet in the database. The steps import the models: local mode has no Django to load them."""

    def running(self, services: list[str]) -> dict[str, str]:
        from examples.models import Service

        known = dict(Service.objects.filter(name__in=services).values_list("name", "version"))
        return {name: known.get(name, "") for name in services}

    def announce(self, execution_id: str, version: str, callback_url: str) -> None:
        from examples.models import ReleaseCheck

        ReleaseCheck.objects.create(execution_id=execution_id, version=version, callback_url=callback_url)

    def promote(self, execution_id: str, service: str, version: str) -> str:
        from examples.models import Deployment, Service

        # The row is there before it is locked: two releases of a new service cannot both find nothing.
        Service.objects.bulk_create([Service(name=service, version="")], ignore_conflicts=True)
        row = Service.objects.select_for_update().get(name=service)
        previous = row.version
        check_newer(service, version, previous)
        row.version = version
        row.save(update_fields=["version"])
        Deployment.objects.create(execution_id=execution_id, service=row, version=version, previous_version=previous)
        return previous

    def roll_back(self, execution_id: str, service: str) -> str:
        from django.utils import timezone

        from examples.models import Deployment, Service

        row = Service.objects.select_for_update().get(name=service)
        deployment = Deployment.objects.get(execution_id=execution_id, service=row)
        deployment.rolled_back_at = timezone.now()
        deployment.save(update_fields=["rolled_back_at"])
        if row.version == deployment.version:
            row.version = deployment.previous_version
            row.save(update_fields=["version"])
        return row.version


@dataclass
class MemoryFleet:
    """The fleet of local mode. `versions` by service; `history` tells what was done, in order."""

    versions: dict[str, str] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)
    callback_urls: dict[str, str] = field(default_factory=dict)
    _promotions: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def running(self, services: list[str]) -> dict[str, str]:
        return {name: self.versions.get(name, "") for name in services}

    def announce(self, execution_id: str, version: str, callback_url: str) -> None:
        self.callback_urls[execution_id] = callback_url

    def promote(self, execution_id: str, service: str, version: str) -> str:
        previous = self.versions.get(service, "")
        check_newer(service, version, previous)
        self.versions[service] = version
        self._promotions[execution_id, service] = previous, version
        self.history.append(f"promote {service} {version}")
        return previous

    def roll_back(self, execution_id: str, service: str) -> str:
        previous, version = self._promotions[execution_id, service]
        if self.versions[service] == version:
            self.versions[service] = previous
        self.history.append(f"roll back {service}")
        return self.versions[service]


def check_newer(service: str, version: str, running: str) -> None:
    """Errors: NotNewer, telling what runs."""
    if not is_newer(version, running):
        raise NotNewer(f"{service} runs {running}, so {version} would be no step forward")
