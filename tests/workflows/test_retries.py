"""The arithmetic of the retry policies, as a table."""

import pytest

from workflows import Constant, Exponential, Linear, Never, Retry
from workflows.retries import DEFAULT

ERROR = OSError("x")


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        (Never(), [None]),
        (Constant(seconds=2, max_retries=3), [2, 2, 2, None]),
        (Linear(seconds=2, max_retries=3), [2, 4, 6, None]),
        (Exponential(seconds=1, max_retries=5, max_delay=5), [1, 2, 4, 5, 5, None]),
        (Exponential(seconds=1, factor=3, max_retries=2), [1, 3, None]),
        (Constant(seconds=0, max_retries=1), [0, None]),
        (DEFAULT, [0.2, 0.4, 0.8, 1.6, 3.2, None]),
    ],
    ids=repr,
)
def test_delays(policy: Retry, delays: list[float | None]) -> None:
    assert [policy.delay(n + 1, ERROR, draw=0.0) for n in range(len(delays))] == pytest.approx(delays)


@pytest.mark.parametrize(("draw", "delay"), [(0.0, 10), (0.5, 7.5), (1.0, 5)])
def test_jitter_takes_a_part_of_the_delay_away(draw: float, delay: float) -> None:
    assert Constant(seconds=10, jitter=0.5).delay(1, ERROR, draw) == delay


def test_without_jitter_nothing_is_drawn() -> None:
    assert {Constant(seconds=3).delay(1, ERROR) for _ in range(5)} == {3}


def test_errors_that_another_attempt_does_not_mend() -> None:
    policy = Constant(non_retryable=(LookupError,))
    assert policy.delay(1, KeyError("x")) is None
    assert policy.delay(1, ValueError()) == 1


def test_many_attempts_do_not_overflow() -> None:
    assert Exponential(max_retries=10**6).delay(900, ERROR, 0.0) == 30
