"""What a run measured: samples become rows, and rows a table with ratios."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles

OURS, LIMIT = "countersign", "limit"
COSTS = ("ms", "bytes")  # less is better


@dataclass(frozen=True)
class Row:
    """One figure, the median over the rounds (or a percentile); `n` is the size of the workload."""

    workload: str
    peer: str
    metric: str
    value: float
    n: int


@dataclass
class Results:
    """The samples of a run, and what has to be said beside them."""

    samples: dict[tuple[str, int, str], dict[str, list[float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, workload: str, peer: str, n: int, samples: Mapping[str, Sequence[float]]) -> None:
        """What one turn measured."""
        for metric, figures in samples.items():
            peers = self.samples.setdefault((workload, n, metric), defaultdict(list))
            peers[peer] += figures

    def note(self, text: str) -> None:
        """Say something below the table, once."""
        if text not in self.notes:
            self.notes.append(text)

    def rows(self) -> list[Row]:
        """Times as p50_ms and p95_ms, the latter where there are enough of them for it; all else as medians."""
        rows: list[Row] = []
        for (workload, n, metric), peers in self.samples.items():
            for peer, figures in peers.items():
                name = f"p50_{metric}" if metric.startswith("ms") else metric
                rows.append(Row(workload, peer, name, round(median(figures), 2), n))
                if metric == "ms" and len(figures) >= 20:
                    rows.append(Row(workload, peer, "p95_ms", round(quantiles(figures, n=20)[18], 2), n))
        return rows


def table(rows: Sequence[Row], notes: Sequence[str] = ()) -> str:
    """The peers side by side, then the ratios of ours: to the limit, and to the best of the others."""
    cells: dict[tuple[str, int, str], dict[str, float]] = {}
    for row in rows:
        cells.setdefault((row.workload, row.n, row.metric), {})[row.peer] = row.value
    peers = list(dict.fromkeys(row.peer for row in rows))
    heads = ["workload", "n", "metric", *peers, "of limit", "of best peer"]
    lines = [
        [workload, str(n), metric, *line(values, peers, metric)] for (workload, n, metric), values in cells.items()
    ]
    widths = [max(len(text) for text in column) for column in zip(heads, *lines, strict=True)]
    shown = ["  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)) for line in [heads, *lines]]
    return "\n".join([*shown, *notes])


def line(values: Mapping[str, float], peers: Sequence[str], metric: str) -> list[str]:
    """The figures of one metric, then the two ratios; empty where there is nothing."""
    ours = values.get(OURS)
    others = [value for peer, value in values.items() if peer not in (OURS, LIMIT)]
    best = (min if metric.endswith(COSTS) else max)(others, default=None)
    figures = [f"{values[peer]:,.1f}" if peer in values else "" for peer in peers]
    return [*figures, ratio(ours, values.get(LIMIT)), ratio(ours, best)]


def ratio(ours: float | None, other: float | None) -> str:
    """Ours divided by the other's."""
    return f"{ours / other:.2f}" if ours is not None and other else ""


def write_json(rows: Sequence[Row], path: Path) -> None:
    """The rows as a JSON array of objects."""
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
