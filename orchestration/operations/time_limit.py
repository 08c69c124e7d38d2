"""A refresh that hangs must not hold the lock until morning."""

from __future__ import annotations

import faulthandler
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from orchestration.operations.errors import OperationsError

_GRACE_SECONDS = 120  # for what doesn't come back to Python to be stopped: a query, a network drive


class TimeLimitError(OperationsError):
    """The refresh ran longer than it may."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Stop the body after a while by raising in it; if that doesn't end it either, end the process.

    Main thread only, since signals go there. Measured by timers that no jump of the clock moves.

    Args:
        seconds: above 0.

    Raises:
        TimeLimitError: the body took longer.
    """

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TimeLimitError(
            f"The refresh was stopped after {seconds:g} seconds (CART_TIME_LIMIT_SECONDS). "
            "See which step was running (logs/refresh.log, or the run's page); raise the limit if the data have grown."
        )

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(seconds + _GRACE_SECONDS, exit=True, file=2)  # standard error; names of code only
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
