"""Builds every analysis table of a warehouse: `python -m benchmarks.our_tables WAREHOUSE OUT MEMORY_LIMIT`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from analysis_assets.catalogue import build_tables
from benchmarks.measure import ROOT
from study import load_study
from warehouse import connect_read_only


def write_tables(warehouse: Path, out: Path, memory_limit: str) -> None:
    """Write `<table>.pkl` for every analysis table into the existing folder `out`, and say how long each took."""
    study = load_study(ROOT / "study.yml")
    with connect_read_only(warehouse) as connection:
        connection.execute("set memory_limit = ?", [memory_limit])
        connection.execute("set threads = 2")
        start = time.process_time()
        print(f"imports: {start:.2f} s of processor", flush=True)
        for table, rows in build_tables(connection, study):
            rows.to_pickle(out / f"{table.name}.pkl")
            print(f"{table.name}: {len(rows)} rows, {time.process_time() - start:.2f} s of processor", flush=True)
            start = time.process_time()


if __name__ == "__main__":
    write_tables(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
