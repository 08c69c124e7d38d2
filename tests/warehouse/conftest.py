"""A small build database in a fresh warehouse home."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from warehouse import WarehouseHome, connect_build


@pytest.fixture
def home(tmp_path: Path) -> WarehouseHome:
    return WarehouseHome(tmp_path / "home").prepare()


@pytest.fixture
def build(home: WarehouseHome) -> Callable[[int], None]:
    """Make the next build: every table and document of night `n` says n."""

    def make(night: int) -> None:
        home.build_database.unlink(missing_ok=True)
        lake_file = str(home.lake / "raw" / "p.parquet")
        with connect_build(home.build_database) as connection:
            connection.execute(f"copy (select {night} as night) to '{lake_file}' (format parquet)")
            connection.execute(
                f"""
                create schema staging; create schema marts; create schema analysis; create schema quality;
                create view staging.stg as select * from read_parquet('{lake_file}');
                create view marts.through_staging as select * from staging.stg;
                create table marts.patients (
                    patient_key varchar not null, night integer, evidence struct(feed varchar, "row" bigint)[],
                    check (night > 0)
                );
                comment on table marts.patients is 'one row per patient';
                insert into marts.patients
                    select md5(i::varchar), {night}, [{{'feed': 'patients', 'row': i}}] from range(500) t(i);
                create view marts.counted as select count(*) as n from marts.patients;
                create table analysis.rates as select {night} as night, null::double as pct;
                create table quality.build as select 'run{night}' as run_id, {night} as night;
                """
            )
        report = home.staged("report")
        report.mkdir(exist_ok=True)
        (report / "index.html").write_text(f"night {night}")

    return make
