"""`./run bench [w1 ... w6] [--peers NAMES] [--json FILE]`: measure, print the table, and write the rows."""

import argparse
import contextlib
import os
import secrets
import signal
import sys
from pathlib import Path

from bench import databases, environments
from bench.processes import PeerFailed, PeerProcess
from bench.results import Results, table, write_json
from bench.rounds import measure
from bench.workloads import WORKLOADS

PEERS = ("countersign", "limit", "celery", "dbos")
BROKERS = {"pgmq": "", "redis": "redis://127.0.0.1:6379/11", "rabbitmq": "amqp://guest:guest@127.0.0.1:5672//"}


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    if options.broker:
        os.environ["CELERY_BROKER_URL"] = BROKERS[options.broker]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every process is stopped too
    results = Results()
    with contextlib.ExitStack() as stack:
        server_url = stack.enter_context(databases.server())
        peers = [peer for name in options.peers if (peer := peer_start(name, server_url, stack, results))]
        for name in options.workloads or WORKLOADS:
            measure(WORKLOADS[name], peers, results, is_quick=options.quick)
    rows = results.rows()
    print(table(rows, results.notes))
    if options.json:
        write_json(rows, options.json)
    return 0 if rows else 1


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    which = f"some of {', '.join(WORKLOADS)}; all when none is named"
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=which)
    parser.add_argument("--peers", type=lambda text: text.split(","), default=PEERS, help=f"of {','.join(PEERS)}")
    parser.add_argument("--broker", choices=BROKERS, help="instead of the one of CELERY_BROKER_URL, else pgmq")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, once: does it work?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there as JSON")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.workloads if name not in WORKLOADS]:
        parser.error(f"unknown workload {', '.join(unknown)}; there are {', '.join(WORKLOADS)}")
    if unknown := [name for name in options.peers if name not in PEERS]:
        parser.error(f"unknown peer {', '.join(unknown)}; there are {', '.join(PEERS)}")
    return options


def peer_start(name: str, server_url: str, stack: contextlib.ExitStack, results: Results) -> PeerProcess | None:
    """A peer with a database of its own; None when it cannot be measured here, and the results say why."""
    url = stack.enter_context(databases.database(server_url, f"bench_{name}_{secrets.token_hex(4)}"))
    try:
        python = environments.python() if name == "dbos" else sys.executable
        peer = PeerProcess(name, python, environment(url))
    except PeerFailed as failure:
        results.note(f"{name}: not measured: {failure}.")
        return None
    stack.callback(peer.stop)
    return peer


def environment(url: str) -> dict[str, str]:
    """What a measuring process finds in its environment."""
    return {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "COUNTERSIGN_APPS": ",".join(filter(None, [os.environ.get("COUNTERSIGN_APPS"), "bench"])),
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
        "SECRET_KEY": secrets.token_hex(32),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
