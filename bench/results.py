"""What a run measured: rows, and the table that shows them with their ratios."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Row:
    """One figure: `value` is the median over the rounds; `n` is the size of the workload."""

    workload: str
    peer: str
    metric: str
    value: float
    n: int


def row(workload: str, peer: str, metric: str, samples: list[float], n: int) -> Row:
    """A row from the figures of several rounds."""
    return Row(workload, peer, metric, round(median(samples), 2), n)


def table(rows: list[Row]) -> str:
    """The rows as text; beside each of ours, its ratio to the limit of the same workload, metric and size."""
    limits = {(r.workload, r.metric, r.n): r.value for r in rows if r.peer == "limit"}
    lines = [f"{'workload':<9} {'peer':<12} {'metric':<9} {'n':>6} {'value':>12}  ratio to the limit"]
    for r in rows:
        limit = limits.get((r.workload, r.metric, r.n))
        ratio = f"{r.value / limit:.2f}" if limit and r.peer != "limit" else ""
        lines.append(f"{r.workload:<9} {r.peer:<12} {r.metric:<9} {r.n:>6} {r.value:>12,.2f}  {ratio}")
    return "\n".join(lines)


def write_json(rows: list[Row], path: Path) -> None:
    """The rows as a JSON array of objects."""
    path.write_text(json.dumps([asdict(r) for r in rows], indent=1) + "\n")
