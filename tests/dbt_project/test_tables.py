"""How a model becomes a table: made under its own name where it is new, replaced whole where it is there."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.cohort import Cohort, run_dbt

TABLE = "intermediate.int_lab_bounds"


@pytest.mark.slow
def test_a_table_that_is_there_is_replaced_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    lake, database = tmp_path / "lake", tmp_path / "warehouse.duckdb"
    cohort = Cohort()
    cohort.write_lake(lake)
    kinds = ["--resource-type", "model", "--resource-type", "seed"]
    run_dbt(["build", "--select", "+int_lab_bounds", *kinds], cohort.study, lake=lake, database=database)
    with duckdb.connect(str(database)) as connection:
        made = connection.execute(f"from {TABLE} order by all").fetchall()
        tables = connection.execute("select table_name from duckdb_tables() order by all").fetchall()
        connection.execute(f"insert into {TABLE} select * from {TABLE}")
        connection.execute(f"alter table {TABLE} add column of_an_older_version integer")
    run_dbt(["run", "--select", "int_lab_bounds"], cohort.study, lake=lake, database=database)
    with duckdb.connect(str(database), read_only=True) as connection:
        assert connection.execute(f"from {TABLE} order by all").fetchall() == made
        assert connection.execute("select table_name from duckdb_tables() order by all").fetchall() == tables
    assert len(made) > 50
