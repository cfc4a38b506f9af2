"""`manage.py clock`: run the clock until it is told to stop."""

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from promises.clock import Clock
from promises.exporter import metrics_serve


class Command(BaseCommand):
    help = (
        "Fires schedules, applies deadlines, repeats wake-ups, takes lapsed leases back. Any number may run; one leads."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        clock = Clock()
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: clock.stop())
        metrics_serve(settings.PROMISES.get("CLOCK_METRICS", ""))
        self.stdout.write("The clock is running.")
        clock.run()
