"""Where Prometheus finds what a worker or a clock has counted: each such process has an address of its own."""

import logging
import os
from urllib.parse import urlsplit

from prometheus_client import REGISTRY, CollectorRegistry, disable_created_metrics, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

log = logging.getLogger(__name__)


def metrics_serve(address: str) -> None:
    """Serve this process's metrics at `http://ADDRESS/metrics` ("host:port") until it ends; "" serves nothing.

    A process whose address is taken works without: metrics must not keep it from what it is there for.
    """
    if not address:
        return
    try:
        where = urlsplit(f"//{address}")
        disable_created_metrics()  # type: ignore[no-untyped-call] # a series more for each, of which nobody asks
        start_http_server(where.port or 0, where.hostname or "", registry_of_process())
    except (OSError, ValueError) as error:
        log.error("no metrics are served at %s (%s); give each process an address of its own", address, error)
    else:
        log.info("metrics are served at http://%s/metrics", address)


def registry_of_process() -> CollectorRegistry:
    """What this process has counted; with PROMETHEUS_MULTIPROC_DIR, also what the other processes of its pool have."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
