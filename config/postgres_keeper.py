"""A process that stops the embedded PostgreSQL once nobody uses it: `python -m config.postgres_keeper STATE`.

Users hold a shared lock on one file, which the system takes from them even after kill -9. Getting the
exclusive lock therefore means that the last user is gone; a new user waits on that lock until the server has
stopped, and starts it again.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

from config import embedded_postgres


def keeper_start(state: Path) -> None:
    """Make sure that the state folder has a keeper, a process of no terminal, group or parent of ours."""
    with _keeper_file(state) as file:
        if not _lock_take(file):
            return
    subprocess.run(
        [sys.executable, "-m", "config.postgres_keeper", str(state)],
        cwd=Path(__file__).resolve().parent.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=False,
    )


def main(state: Path) -> None:
    """Go into the background, wait for the last user to be gone, stop the server. One keeper at a time."""
    keeper = _keeper_file(state)
    if not _lock_take(keeper) or os.fork():
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with embedded_postgres.users_file(state).open("w") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        with contextlib.suppress(embedded_postgres.DatabaseUnavailable):
            embedded_postgres.stop(state)
        keeper.close()  # before the users' lock, so that the next user's keeper finds this one free


def _keeper_file(state: Path) -> IO[str]:
    return (state / "postgres.keeper").open("w")


def _lock_take(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))
