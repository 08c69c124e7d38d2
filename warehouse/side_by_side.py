"""Several files at once: reading and writing them leaves Python's lock free, so two take little longer than one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Work = TypeVar("Work")
Result = TypeVar("Result")

AT_ONCE = 2


def side_by_side(do: Callable[[Work], Result], works: Sequence[Work], at_once: int = AT_ONCE) -> Iterator[Result]:
    """What `do` gives for each work, in their order; so many at a time in threads of their own; one, in the caller's.

    The first in order that fails ends it: those not begun are left, and its error is raised.
    """
    if at_once == 1:
        yield from map(do, works)
        return
    pool = ThreadPoolExecutor(at_once)
    try:
        yield from pool.map(do, works)
    finally:
        pool.shutdown(cancel_futures=True)
