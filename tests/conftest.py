"""What every test can count on: a PostgreSQL of its own run, and, when asked for, nothing else."""

import os
from pathlib import Path

import pytest

from config import embedded_postgres

STATE = pytest.StashKey[Path]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start an embedded PostgreSQL for this run, unless DATABASE_URL names one. Parallel workers share the
    first one's."""
    if os.environ.get("DATABASE_URL") or hasattr(config, "workerinput"):
        return
    state = Path(os.environ["COUNTERSIGN_VAR"])
    embedded_postgres.ensure(state)
    config.stash[STATE] = state


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop it; its folder goes with this process (tests/settings.py)."""
    if state := config.stash.get(STATE, None):
        embedded_postgres.stop(state)
