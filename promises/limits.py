"""How much of a queue or of a workflow is executed at a time: what is written in code, as numbers."""

import re
from dataclasses import dataclass

from promises.errors import BadRequest

_rate = re.compile(r"\s*(\d+)\s*/\s*(\d*)\s*(s|m|h|d)\s*")
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True, slots=True)
class Limits:
    """At most `concurrency` executed at a time (0: none, it is paused), at most `rate` started in `period_ms`; None: no
    limit."""

    concurrency: int | None = None
    rate: int | None = None
    period_ms: int | None = None

    @classmethod
    def of(cls, concurrency: int | None = None, rate: str | None = None) -> "Limits":
        """From how people write it: a rate is "10/s", "100/m", "5/2h". Errors: BadRequest."""
        if concurrency is not None and (type(concurrency) is not int or concurrency < 0):
            raise BadRequest(f"concurrency must be a whole number from 0, not {concurrency!r}")
        if rate is None:
            return cls(concurrency)
        found = _rate.fullmatch(rate)
        if found is None or not int(found[1]) or found[2] == "0":
            raise BadRequest(f"{rate!r} is no rate; write a number for each s, m, h or d: '10/s', '100/m', '5/2h'")
        return cls(concurrency, int(found[1]), int(found[2] or 1) * _UNIT_MS[found[3]])

    @property
    def written_rate(self) -> str:
        """The rate as `of` reads it; "" when there is none."""
        if self.rate is None or self.period_ms is None:
            return ""
        unit, ms = next((unit, ms) for unit, ms in reversed(_UNIT_MS.items()) if self.period_ms % ms == 0)
        count = self.period_ms // ms
        return f"{self.rate}/{unit if count == 1 else f'{count}{unit}'}"
