"""`./run chaos [--workflows N] [--seconds S]`: mixed executions, while workers, the clock, the broker and PostgreSQL
are killed at random; then count. The exit code is 1 when anything was lost, done twice or left halted."""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from bench.chaos.machine import Machine, wait_for

END_SECONDS = 180


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./run chaos", description=__doc__)
    parser.add_argument("--workflows", type=int, default=500, metavar="N", help="executions to start (500)")
    parser.add_argument("--seconds", type=float, default=120, metavar="S", help="how long things are killed (120)")
    parser.add_argument("--workers", type=int, default=3, metavar="N", help="workers at a time (3)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats the choice of accidents")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as JSON")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended too
    with tempfile.TemporaryDirectory(prefix="countersign-chaos-", ignore_cleanup_errors=True) as folder:
        machine = Machine(Path(folder), options.workers)
        try:
            figures = chaos(machine, options)
        finally:
            machine.stop()
            if sys.exc_info()[0] is not None:
                sys.stderr.write((Path(folder) / "processes.log").read_text(errors="replace")[-4000:])
    show(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if figures["violations"] else 0


def chaos(machine: Machine, options: argparse.Namespace) -> dict[str, object]:
    """Prepare, break, wait for the end, count."""
    machine.start_database()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from bench.chaos.driver import Driver, patiently
    from bench.chaos.verdict import unfinished, verdict
    from bench.chaos.workflows import TABLE

    call_command("prepare", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
    machine.start()
    driver = Driver(machine, options.workflows, options.seconds, options.seed)
    print(
        f"{options.workflows} executions, {options.workers} workers, {machine.broker}, "
        f"{options.seconds:.0f} s of accidents, seed {options.seed}",
        file=sys.stderr,
        flush=True,
    )
    driver.run()
    began = time.monotonic()
    executions = list(driver.executions)
    wait_for(lambda: patiently(lambda: unfinished(executions)) == 0, END_SECONDS)
    calm = time.monotonic() - began
    driver.finish()
    found = verdict(executions)
    found.violations += [f"the driver failed: {error!r}" for error in driver.failures]
    return {
        **found.as_json(),
        **{f"accident_{name}": driver.accidents[name] for name in sorted(driver.accidents)},
        "until_all_ended_s": round(calm, 1),
        "seed": options.seed,
        "broker": machine.broker,
    }


def show(figures: dict[str, object]) -> None:
    """The figures as text, the violations last."""
    for name, value in figures.items():
        if name != "violations":
            print(f"{name:<26} {value}")
    violations = figures["violations"]
    assert isinstance(violations, list)
    print("everything held" if not violations else f"{len(violations)} VIOLATIONS")
    for violation in violations[:20]:
        print(f"  {violation}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
