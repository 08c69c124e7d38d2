"""Runs bare_duckdb.sql on one extract: `python -m benchmarks.bare_duckdb EXTRACT OUT [MEMORY_LIMIT]`."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

_SCRIPT = Path(__file__).with_name("bare_duckdb.sql")
_READERS = {
    "csv": "read_csv(getvariable('extract') || '/' || name || '*.csv', "
    "all_varchar = true, header = true, filename = true)",
    "parquet": "read_parquet(getvariable('extract') || '/' || name || '*.parquet', filename = true)",
}
_KEY = "benchmark"  # protects nothing: the peer's patients are invented


def run_script(extract: Path, out: Path, memory_limit: str) -> None:
    """Build the bare warehouse of `extract` in the existing, empty folder `out`."""
    file_format = "parquet" if any(extract.glob("*.parquet")) else "csv"
    with duckdb.connect(out / "bare.duckdb") as connection:
        connection.execute("set memory_limit = ?", [memory_limit])
        connection.execute("set threads = 2")
        for name, value in {"extract": str(extract), "out": str(out), "day": extract.name, "key": _KEY}.items():
            connection.execute(f"set variable {name} = ?", [value])
        connection.execute("set preserve_insertion_order = true")  # row numbers are evidence
        connection.execute("set enable_progress_bar = false")
        connection.execute(f"create macro feed(name) as table select * from {_READERS[file_format]}")
        connection.execute(_SCRIPT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    run_script(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "4GB")
