"""Several files at once: reading and writing leave Python's lock to one another, so two take little longer than one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

Work = TypeVar("Work")
Result = TypeVar("Result")

WORKERS = 2
SMALL_FILE = 1 << 20  # bytes; starting threads takes longer than such a file, and most nightly deltas are such files


def side_by_side(
    do: Callable[[Work], Result], works: Sequence[Work], path_of: Callable[[Work], Path]
) -> Iterator[Result]:
    """What `do` gives for each work on a file, in their order; two at a time unless all files together are small.

    The first work in order that fails ends it: those not begun are left, and its error is raised.
    """
    if len(works) < WORKERS or sum(path_of(work).stat().st_size for work in works) < SMALL_FILE:
        yield from map(do, works)
        return
    pool = ThreadPoolExecutor(WORKERS)
    try:
        yield from pool.map(do, works)
    finally:
        pool.shutdown(cancel_futures=True)
