"""What must hold afterwards, counted in the tables."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import connection


@dataclass
class Verdict:
    """The figures of a run. `violations` is empty when everything held."""

    executions: int
    ended: int = 0
    halted: int = 0
    exact_effects: int = 0
    exact_repeated: int = 0
    repeatable_effects: int = 0
    repeatable_repeated: int = 0
    repeatable_most: int = 0
    slowest_s: float = 0.0
    violations: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def unfinished(executions: list[str]) -> int:
    """How many of the executions, and of those that they called, are still pending."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM promises_promise WHERE state = 'pending' AND tags ? 'resonate:target' AND "
            "(id = ANY (%s) OR split_part(id, ':', 1) = ANY (%s))",
            [executions, executions],
        )
        return int(cursor.fetchone()[0])


def verdict(executions: list[str]) -> Verdict:
    """Look at every execution: it has ended with a result; each effect of that result is there, exact ones once."""
    from promises.models import Promise, Task

    found = Verdict(len(executions))
    counts = _effects()
    roots = {promise.id: promise for promise in Promise.objects.filter(id__in=executions)}
    found.halted = Task.objects.filter(state="halted").count()
    for id in executions:
        promise = roots.get(id)
        if promise is None or promise.state != "resolved":
            found.violations.append(f"{id} is {promise.state if promise else 'missing'}: {promise and promise.value}")
            continue
        found.ended += 1
        found.slowest_s = max(found.slowest_s, (promise.settled_at - promise.created_at) / 1000)
        expected = Counter(promise.value)
        exact = counts.get((id, True), Counter())
        if exact != expected:
            found.violations.append(f"{id} says {dict(expected)}, the table {dict(exact)}")
    for (_, is_exact), effects in counts.items():
        repeated = sum(count - 1 for count in effects.values())
        if is_exact:
            found.exact_effects += len(effects)
            found.exact_repeated += repeated
        else:
            found.repeatable_effects += len(effects)
            found.repeatable_repeated += repeated
            found.repeatable_most = max(found.repeatable_most, *effects.values())
    if found.exact_repeated:
        found.violations.append(f"{found.exact_repeated} exact effects happened more than once")
    if found.halted:
        found.violations.append(f"{found.halted} executions are halted")
    return found


def _effects() -> dict[tuple[str, bool], Counter[str]]:
    counts: dict[tuple[str, bool], Counter[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT execution, is_exact, effect, count(*) FROM chaos_effect GROUP BY 1, 2, 3")
        for execution, is_exact, effect, count in cursor.fetchall():
            counts.setdefault((execution, is_exact), Counter())[effect] = count
    return counts
