"""A warehouse home with a small lake, a ledger and something to publish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.operations import audit_facts, record_builds
from warehouse import Version, WarehouseHome, connect_build, publish

NIGHT = datetime(2018, 7, 31, 2, 0, tzinfo=UTC)


@dataclass(frozen=True)
class LedgerLine:
    feed: str
    extract: str
    file: str
    sha256: str
    lake_file: str
    accepted: int


@pytest.fixture
def home(tmp_path: Path) -> WarehouseHome:
    return WarehouseHome(tmp_path / "home").prepare()


@pytest.fixture
def ledger(home: WarehouseHome) -> list[LedgerLine]:
    """Two lake files with their ledger lines."""
    lines = []
    for feed, rows in (("patients", 39), ("lab_results", 1000)):
        path = f"raw/{feed}/2018-07-30/{feed}-1a2b3c4d.parquet"
        (home.lake / path).parent.mkdir(parents=True)
        pq.write_table(pa.table({"patient_key": [f"{row:064d}" for row in range(rows)]}), home.lake / path)
        lines.append(LedgerLine(feed, "2018-07-30", f"{feed}.csv", "ab" * 32, path, rows))
    return lines


Night = Callable[[int], Version]


@pytest.fixture
def night(home: WarehouseHome, ledger: list[LedgerLine]) -> Night:
    """Build, publish and note night `n`."""

    def run(number: int) -> Version:
        make_build(home, number)
        facts = audit_facts(home, ledger, "0.1.0+abc", "cd" * 32, "0a1b2c3d")
        version = publish(home, f"run{number}", NIGHT, facts=facts, keep=3)
        record_builds(home)
        return version

    return run


def make_build(home: WarehouseHome, number: int) -> None:
    home.build_database.unlink(missing_ok=True)
    with connect_build(home.build_database) as connection:
        connection.execute(
            f"""
            create schema marts; create schema analysis;
            create table marts.patients as select md5(i::varchar) as patient_key, {number} as night from range(50) t(i);
            create table analysis.rates as select {number} as night;
            """
        )
