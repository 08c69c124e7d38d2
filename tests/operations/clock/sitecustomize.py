"""Loaded by Python itself in processes whose clock is faked: `time.sleep` that libfaketime doesn't break.

Python sleeps until a moment of the monotonic clock, and libfaketime 0.9.10 refuses that (EINVAL) when it is told to
leave the monotonic clock alone, as a real jump of the wall clock does.
"""

import select
import time


def _sleep(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        select.select([], [], [], left)


time.sleep = _sleep
