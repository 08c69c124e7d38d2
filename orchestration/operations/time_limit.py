"""A refresh that hangs must not hold the lock until morning."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from orchestration.operations.errors import OperationsError


class TimeLimitError(OperationsError):
    """The refresh ran longer than it may."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Stop the body after a while by raising in it.

    Main thread only, since signals go there. Measured by the interval timer, which no jump of the clock moves.

    Args:
        seconds: above 0.

    Raises:
        TimeLimitError: the body took longer.
    """

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TimeLimitError(
            f"The refresh was stopped after {seconds:g} seconds (CART_TIME_LIMIT_SECONDS). "
            "See which step was running in logs/refresh.log; raise the limit if the data have grown."
        )

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
