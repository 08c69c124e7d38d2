"""Figures of whole refreshes: the small night, large extracts, and a night's delta on a long history."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

from benchmarks.figure import LIMIT, Figure, figure_of
from benchmarks.inputs import Workplace, nothing, prepare_environment, say
from benchmarks.measure import Pair, in_turn, median_cpu, median_seconds, peak_mb, run

SMALL_GOAL = 1.5
LARGE_GOAL = 1.5
NIGHTLY_GOAL = 0.25
PEAK_GOAL_MB = 8192
LINEAR = 1.0
SMALL_ROUNDS = 3


def small(work: Workplace, rounds: int = SMALL_ROUNDS) -> Iterator[Figure]:
    """Refresh of the reference extract against bare `dbt build` on the same lake: a night again, and a first night."""
    prepare_environment()
    extracts = work.reference_extract()
    home = work.fresh("small-home")
    out = work.fresh("small-dbt")
    ours, peer = work.refresh(extracts, home), work.dbt_build(home, out)
    say("small: first refresh, to have a lake")
    run(ours)
    run(peer)  # both sides keep dbt's parse from now on
    say("small: the same home again")
    again = in_turn(ours, peer, rounds, nothing, partial(_without_database, out))
    yield figure_of(
        "small: refresh of the reference extract, same home again", again, "dbt build, parse kept", SMALL_GOAL
    )
    say("small: fresh homes")
    first = in_turn(
        work.refresh(extracts, work.root / "small-fresh"),
        work.dbt_build(home, work.root / "small-dbt-fresh"),
        rounds,
        lambda: _emptied(work, "small-fresh"),
        lambda: _emptied(work, "small-dbt-fresh"),
    )
    yield figure_of("small: refresh of the reference extract, fresh home", first, "dbt build, first parse", SMALL_GOAL)


def large(work: Workplace, sizes: tuple[int, ...], formats: tuple[str, ...]) -> Iterator[Figure]:
    """Refreshes of synthetic extracts against the plain SQL script, their peak memory, and how cost grows."""
    prepare_environment()
    for file_format in formats:
        measured: list[tuple[int, Pair]] = []
        for patients in sizes:
            extracts = work.scaled_extract(patients, file_format)
            say(f"large: {patients} patients as {file_format}")
            (extract,) = extracts.iterdir()
            name = f"{patients}-{file_format}"
            pair = in_turn(
                work.refresh(extracts, work.root / f"home-{name}"),
                work.bare_script(extract, work.root / f"home-{name}", work.root / f"bare-{name}"),
                1,
                partial(_emptied, work, f"home-{name}"),
                partial(_emptied, work, f"bare-{name}"),
            )
            shutil.rmtree(work.root / f"bare-{name}", ignore_errors=True)
            measured.append((patients, pair))
            title = f"{patients} patients x 100 labs, {file_format}"
            yield figure_of(f"large: {title}", pair, "plain SQL in DuckDB", LARGE_GOAL)
            yield Figure(
                f"large: peak memory, {title}", "MB", peak_mb(pair.ours), PEAK_GOAL_MB, LIMIT, 1.0, peak_mb(pair.ours)
            )
        yield from growth(file_format, measured)


def growth(file_format: str, measured: list[tuple[int, Pair]]) -> Iterator[Figure]:
    """Exponent of growth between neighbouring sizes: 1 is linear. From processor time, which others can't stretch."""
    for (smaller, before), (larger, after) in pairwise(measured):
        scale = math.log(larger / smaller)
        ours = math.log(median_cpu(after.ours) / median_cpu(before.ours)) / scale
        yield Figure(
            f"large: growth from {smaller} to {larger} patients, {file_format}",
            "exponent of processor time",
            ours,
            LINEAR,
            "linear",
            1.0,
        )


def nightly(work: Workplace, patients: int, file_format: str) -> Iterator[Figure]:
    """A delta of 0.1% on a refreshed history, against the refresh of the same extracts into an empty home."""
    prepare_environment()
    extracts = work.delta_extract(patients, file_format)
    home = work.root / f"home-{patients}-{file_format}"
    if not (home / "warehouse.duckdb").exists():
        work.fresh(home.name)
        say(f"nightly: the history of {patients} patients first")
        run(work.refresh(work.scaled_extract(patients, file_format), home))
    say(f"nightly: delta on {patients} patients")
    delta = run(work.refresh(extracts, home))
    say("nightly: the same from nothing")
    full = run(work.refresh(extracts, _emptied(work, "nightly-full")))
    shutil.rmtree(work.root / "nightly-full", ignore_errors=True)
    pair = Pair((delta,), (full,))
    yield figure_of(f"nightly: delta of 0.1% on {patients} patients, {file_format}", pair, "full rebuild", NIGHTLY_GOAL)
    say(f"nightly took {median_seconds(pair.ours):.0f} s")


def _emptied(work: Workplace, name: str) -> Path:
    return work.fresh(name)


def _without_database(out: Path) -> None:
    for name in ("bare.duckdb", "unpublished.duckdb"):
        (out / name).unlink(missing_ok=True)
