"""When a failed step is tried again: the arithmetic, and nothing else. Delays are seconds."""

import random
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Retry:
    """The base of all policies: at most `max_retries` repetitions, none for errors of the classes `non_retryable`.

    `jitter` is the fraction of a delay that is drawn at random, 0 to 1: with 0.5 a delay of 10 becomes 5 to 10.
    """

    max_retries: int = 5
    jitter: float = 0.0
    non_retryable: tuple[type[BaseException], ...] = field(default=())

    def delay(self, attempt: int, error: BaseException, draw: float | None = None) -> float | None:
        """Seconds to wait after failed attempt number `attempt` (from 1); None when it was the last. `draw` in [0, 1)
        replaces the random number."""
        if attempt > self.max_retries or isinstance(error, self.non_retryable):
            return None
        draw = random.random() if draw is None else draw  # noqa: S311 (spreading load, not a secret)
        return self.base(attempt) * (1 - self.jitter * draw)

    def base(self, attempt: int) -> float:
        """The delay without jitter."""
        return 0.0


@dataclass(frozen=True, kw_only=True)
class Never(Retry):
    """One attempt."""

    max_retries: int = 0


@dataclass(frozen=True)
class Constant(Retry):
    """The same delay each time."""

    seconds: float = 1.0

    def base(self, attempt: int) -> float:
        return self.seconds


@dataclass(frozen=True)
class Linear(Retry):
    """A delay that grows by `seconds` with each attempt."""

    seconds: float = 1.0

    def base(self, attempt: int) -> float:
        return self.seconds * attempt


@dataclass(frozen=True)
class Exponential(Retry):
    """A delay that starts at `seconds` and grows by `factor`, up to `max_delay`."""

    seconds: float = 0.2
    factor: float = 2.0
    max_delay: float = 30.0

    def base(self, attempt: int) -> float:
        return float(min(self.seconds * self.factor ** (attempt - 1), self.max_delay))


# Six attempts within about six seconds: long enough for a hiccup, short enough that a real fault shows while somebody
# looks.
DEFAULT = Exponential(jitter=0.2)
