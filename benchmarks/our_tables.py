"""Builds every analysis table of a warehouse: `python -m benchmarks.our_tables WAREHOUSE OUT MEMORY_LIMIT`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from analysis_assets.assets import TABLES
from analysis_assets.inputs import StudyInputs
from benchmarks.measure import ROOT
from study import load_study
from warehouse import connect_read_only


def build_tables(warehouse: Path, out: Path, memory_limit: str) -> None:
    """Write `<table>.pkl` for every analysis table into the existing folder `out`, and say how long each took."""
    study = load_study(ROOT / "study.yml")
    with connect_read_only(warehouse) as connection:
        connection.execute("set memory_limit = ?", [memory_limit])
        connection.execute("set threads = 2")
        inputs = StudyInputs(connection, study)
        for table in TABLES:
            start = time.process_time()
            rows = table.load()(inputs, study)
            rows.to_pickle(out / f"{table.name}.pkl")
            print(f"{table.name}: {len(rows)} rows, {time.process_time() - start:.2f} s of processor", flush=True)


if __name__ == "__main__":
    build_tables(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
