"""The limits that claims go by (`promises/sql/45_claim.sql`)."""

from collections.abc import Mapping

from promises.limits import Limits
from promises.store.call import dumps, execute


def limits_declare(limits: Mapping[str, Limits]) -> None:
    """Make these the limits that the code declares: key (`queue:NAME`, `workflow:NAME`) -> limits. What an operator has
    set stays, and so do the keys that other code declares. Locks the rows that change."""
    rows = [
        {"key": key, "concurrency": known.concurrency, "rate": known.rate, "period_ms": known.period_ms}
        for key, known in limits.items()
    ]
    execute("SELECT promises_limits_declare(%s)", (dumps(rows),))
