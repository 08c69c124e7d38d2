"""`make bench`: one JSON line per figure on standard output; progress and what moved on standard error.

SCALE=full adds 100 thousand and 1 million patients, CSV beside Parquet (some 40 GB of disk, more than an hour).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.guard import accept, moved, read_committed
from benchmarks.inputs import Workplace, say
from benchmarks.measure import BenchmarkError, run
from benchmarks.readers import readers
from benchmarks.refreshes import SMALL_ROUNDS, large, nightly, small
from benchmarks.statistics_peer import statistics

PARTS = ("small", "large", "nightly", "statistics", "readers")
QUICK_SIZES = (10_000,)
FULL_SIZES = (10_000, 100_000, 1_000_000)
LONG_HISTORY = 100_000  # patients: below some 50 thousand a night is built whole, which is faster there
QUICK_FORMATS = ("parquet",)
FULL_FORMATS = ("parquet", "csv")
WORSE = 1  # exit status: a ratio is worse than the committed one
FAILED = 2  # exit status: a part could not be measured


def main(arguments: list[str] | None = None) -> int:
    """Measure what is asked for, print it, and compare with the committed ratios."""
    chosen = _parser().parse_args(arguments)
    figures: list[Figure] = []
    failed = False
    with ExitStack() as stack:
        folder = chosen.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cart-bench-")))
        folder.mkdir(parents=True, exist_ok=True)
        work = Workplace(folder.resolve(), chosen.memory_limit)
        parts = _parts(work, tuple(chosen.patients), tuple(chosen.formats), chosen.rounds)
        for part in chosen.only:
            try:
                for figure in parts[part]():
                    print(figure.as_json(), flush=True)
                    figures.append(figure)
            except BenchmarkError as error:
                failed = True
                say(f"{part} could not be measured: {error}")
    moves = moved(figures, read_committed())
    for move in moves:
        say(move.sentence())
    if not moves:
        say("no ratio moved by more than a quarter")
    if chosen.accept:
        accept(figures)
    if failed:
        return FAILED
    return WORSE if any(move.worse for move in moves) and not chosen.accept else 0


def _parser() -> argparse.ArgumentParser:
    full = os.environ.get("SCALE", "").lower() == "full"
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--patients", nargs="+", type=int, default=list(FULL_SIZES if full else QUICK_SIZES))
    parser.add_argument("--formats", nargs="+", choices=FULL_FORMATS, default=FULL_FORMATS if full else QUICK_FORMATS)
    parser.add_argument("--rounds", type=int, default=SMALL_ROUNDS, help="rounds of the small refresh")
    parser.add_argument("--folder", type=Path, help="work folder to keep (extracts are made once); default: temporary")
    parser.add_argument("--memory-limit", default="4GB", help="what each side may give to DuckDB")
    parser.add_argument("--accept", action="store_true", help="make this run's ratios the committed ones")
    return parser


def _parts(
    work: Workplace, sizes: tuple[int, ...], formats: tuple[str, ...], rounds: int
) -> dict[str, Callable[[], Iterator[Figure]]]:
    largest = max(sizes)
    return {
        "small": partial(small, work, rounds),
        "large": partial(large, work, sizes, formats),
        "nightly": partial(nightly, work, max(largest, LONG_HISTORY), formats[0]),
        "statistics": lambda: statistics(work, _refreshed(work, largest, formats[0]), largest),
        "readers": lambda: readers(_refreshed(work, largest, formats[0]), largest),
    }


def _refreshed(work: Workplace, patients: int, file_format: str) -> Path:
    """Return the home that an earlier part refreshed, or refresh one."""
    home = work.root / f"home-{patients}-{file_format}"
    if not (home / "warehouse.duckdb").exists():
        say(f"refreshing {patients} patients first")
        run(work.refresh(work.scaled_extract(patients, file_format), work.fresh(home.name)))
    return home


if __name__ == "__main__":
    sys.exit(main())
