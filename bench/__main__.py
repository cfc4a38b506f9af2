"""`./run bench [w1 w3] [--json FILE]`: measure, print the table, and write the rows."""

import argparse
import signal
import sys
from pathlib import Path

from bench.environment import installation, worker
from bench.results import Row, table, write_json

NAMES = ("w1", "w3")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    which = f"some of {', '.join(NAMES)}; all when none is named"
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=which)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there as JSON")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the worker is stopped too
    unknown = set(options.workloads) - set(NAMES)
    if unknown:
        parser.error(f"unknown workload {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    rows: list[Row] = []
    with installation(), worker():
        from bench.workloads import WORKLOADS

        for name in options.workloads or NAMES:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            rows += WORKLOADS[name]()
    print(table(rows))
    if options.json:
        write_json(rows, options.json)


if __name__ == "__main__":
    main(sys.argv[1:])
