"""Typical questions of an analyst to the published warehouse: the slowest must answer within a second."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import LIMIT, Figure
from benchmarks.inputs import say
from warehouse import connect_read_only

_QUERIES = Path(__file__).with_name("reader_queries.sql")
LIMIT_SECONDS = 1.0
_ROUNDS = 3


def named_queries(text: str) -> dict[str, str]:
    """Return the queries of a script by the name in the comment above each."""
    parts = re.split(r"^-- name: (.+)$", text, flags=re.MULTILINE)[1:]
    return {name.strip(): query.strip().rstrip(";") for name, query in zip(parts[::2], parts[1::2], strict=True)}


def readers(home: Path, patients: int) -> Iterator[Figure]:
    """Yield the median time of each query, the connection opened anew as an analyst's would be, against one second."""
    say(f"readers: {patients} patients")
    for name, query in named_queries(_QUERIES.read_text(encoding="utf-8")).items():
        times = [_time_of(home / "warehouse.duckdb", query) for _ in range(_ROUNDS)]
        yield Figure(
            f"readers: {name}, {patients} patients",
            "s",
            statistics.median(wall for wall, _ in times),
            LIMIT_SECONDS,
            LIMIT,
            1.0,
            extra={"cpu_ratio": statistics.median(cpu for _, cpu in times) / LIMIT_SECONDS},
        )


def _time_of(warehouse: Path, query: str) -> tuple[float, float]:
    start, cpu = time.perf_counter(), time.process_time()
    with connect_read_only(warehouse) as connection:
        connection.execute(query).fetchall()
    return time.perf_counter() - start, time.process_time() - cpu
