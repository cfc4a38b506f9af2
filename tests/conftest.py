"""What every test can count on: a PostgreSQL of its own run, and, when asked for, nothing else."""

import os
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

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


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Tests that really commit empty every table when they are over, which the audit refuses: here, it lets them. What
    it refuses is tested with the guards as they are (tests/approvals/audit/test_guard.py)."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE approvals_auditevent DISABLE TRIGGER approvals_audit_truncate")
        cursor.execute("ALTER TABLE approvals_auditcheckpoint DISABLE TRIGGER approvals_checkpoint_truncate")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop it; its folder goes with this process (tests/settings.py)."""
    if state := config.stash.get(STATE, None):
        embedded_postgres.stop(state)
