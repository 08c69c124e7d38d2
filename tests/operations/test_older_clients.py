"""The published file keeps a format that R, JDBC and command-line clients read, which come later than Python's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import duckdb
import duckdb_cli
import pytest

from tests.night import Night
from tests.operations.conftest import NIGHT
from warehouse import WarehouseHome, connect_build, connect_read_only, create_build, publish
from warehouse.connection import READABLE_SINCE


def format_of(database: Path) -> str:
    with connect_read_only(database) as connection:
        answer = connection.execute("select tags from duckdb_databases() where not internal").fetchall()
    return str(answer[0][0]["storage_version"])


def test_a_build_keeps_the_format_that_it_was_made_with(home: WarehouseHome) -> None:
    create_build(home.build_database)
    with connect_build(home.build_database) as connection:
        connection.execute("create schema marts; create table marts.patients as select 1 as night")
    publish(home, "run1", NIGHT)
    assert format_of(home.database) == f"{READABLE_SINCE}+"


def test_a_copy_keeps_it_too(home: WarehouseHome, tmp_path: Path) -> None:
    file = tmp_path / "lake.parquet"
    duckdb.execute(f"copy (select 1 as night) to '{file}' (format parquet)")
    create_build(home.build_database)
    with connect_build(home.build_database) as connection:
        connection.execute(
            "create schema marts; create table marts.patients as select 1 as night;"
            f"create view marts.of_the_lake as select * from read_parquet('{file}')"
        )
    publish(home, "run1", NIGHT)
    assert format_of(home.database) == f"{READABLE_SINCE}+"


@pytest.mark.slow
def test_a_whole_night_keeps_it(published_night: Night) -> None:
    assert format_of(published_night.database) == f"{READABLE_SINCE}+"


@pytest.mark.slow
def test_the_command_line_client_that_came_before_reads_a_whole_night(published_night: Night) -> None:
    client = Path(duckdb_cli.__file__).parent / "duckdb"
    told = subprocess.run([client, "--version"], capture_output=True, text=True, check=True).stdout
    assert int(told.lstrip("v").split(".")[0]) < int(duckdb.__version__.split(".")[0])
    question = "select count(*) from marts.patients; select count(*) > 0 from analysis.response_rates"
    answer = subprocess.run(
        [client, "-readonly", "-csv", "-noheader", published_night.database, question], capture_output=True, text=True
    )
    assert (answer.stdout.split(), answer.stderr) == (["39", "true"], "")
