"""Is this installation alive (`/health/`), and can it do its work (`/ready/`)? For load balancers, scripts
and monitoring."""

from collections.abc import Callable
from typing import Any

from celery import current_app
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from promises.models import Process
from promises.times import now_ms

# Workers and clocks write the time into their row every 5 seconds.
SEEN_WITHIN_MS = 15_000
BROKER_SECONDS = 3


class NotReady(Exception):
    """A component cannot do its part; the message says why."""


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 as long as this process answers. Asks nobody."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when every component works, else 503: `{"status", "components": {name: {"ok", "reason"?}}}`."""
    components = components_check(now_ms())
    is_ready = all(component["ok"] for component in components.values())
    body = {"status": "ready" if is_ready else "not ready", "components": components}
    return JsonResponse(body, status=200 if is_ready else 503, headers={} if is_ready else {"Retry-After": "5"})


def components_check(now: int) -> dict[str, dict[str, Any]]:
    """Each component by name, with `ok` and, when it is not, the `reason`."""
    checks: dict[str, Callable[[], None]] = {
        "database": database_check,
        "broker": broker_check,
        "worker": lambda: process_check("worker", now),
        "clock": lambda: process_check("clock", now),
    }
    return {name: _component(check) for name, check in checks.items()}


def _component(check: Callable[[], None]) -> dict[str, Any]:
    try:
        check()
    except NotReady as error:
        return {"ok": False, "reason": str(error)}
    return {"ok": True}


def database_check() -> None:
    """Raises NotReady when the database does not answer a query."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    except DatabaseError as error:
        connection.close()
        raise NotReady(_("The database does not answer.")) from error


def broker_check() -> None:
    """Raises NotReady when no connection to the broker can be made within 3 seconds."""
    try:
        with current_app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=0, timeout=BROKER_SECONDS)
    except Exception as error:  # each transport has errors of its own
        raise NotReady(_("The broker does not answer.")) from error


def process_check(kind: str, now: int) -> None:
    """Raises NotReady when no process of this kind has reported within 15 seconds before `now`."""
    try:
        is_alive = Process.objects.filter(kind=kind, seen_at__gte=now - SEEN_WITHIN_MS).exists()
    except DatabaseError as error:
        raise NotReady(_("Unknown: the database does not answer.")) from error
    if not is_alive:
        raise NotReady(_("No running %(kind)s has reported in the last 15 seconds.") % {"kind": kind})
