"""Writing tables and opening files."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from warehouse import (
    WarehouseError,
    WarehouseHome,
    connect_build,
    connect_read_only,
    list_tables,
    table_exists,
    write_table,
)


def test_write_table_replaces_and_keeps_the_asked_types(home: WarehouseHome) -> None:
    frame = pd.DataFrame({"endpoint": ["CR", "OS"], "pct": [None, None], "n": [1, 2]})
    with connect_build(home.build_database) as connection:
        assert write_table(connection, "analysis", "rates", frame, {"pct": "double"}) == 2
        assert write_table(connection, "analysis", "rates", frame.head(1), {"pct": "double"}) == 1
        described = connection.execute("describe analysis.rates").fetchall()
        assert table_exists(connection, "analysis", "rates")
        assert not table_exists(connection, "marts", "rates")
    assert [(row[0], row[1]) for row in described] == [("endpoint", "VARCHAR"), ("pct", "DOUBLE"), ("n", "BIGINT")]


def test_write_table_takes_arrow_and_awkward_names(home: WarehouseHome) -> None:
    with connect_build(home.build_database) as connection:
        write_table(connection, "analysis", 'odd "name"', pa.table({"a b": [1, 2, 3]}))
        assert list_tables(connection, ("analysis",)) == [("analysis", 'odd "name"')]
        assert list_tables(connection, ("marts",)) == []


def test_a_value_that_does_not_fit_is_an_error_and_keeps_the_old_table(home: WarehouseHome) -> None:
    with connect_build(home.build_database) as connection:
        write_table(connection, "analysis", "rates", pd.DataFrame({"n": ["1"]}), {"n": "integer"})
        with pytest.raises(duckdb.Error):
            write_table(connection, "analysis", "rates", pd.DataFrame({"n": ["x"]}), {"n": "integer"})
        assert connection.execute("select n from analysis.rates").fetchall() == [(1,)]


def test_build_connection_opens_beside_one_with_empty_configuration(home: WarehouseHome) -> None:
    with duckdb.connect(str(home.build_database)), connect_build(home.build_database, memory_limit="1GB") as connection:
        settings = connection.execute("select current_setting('threads'), current_setting('temp_directory')").fetchone()
    assert settings == (2, str(home.build / "tmp"))


def test_damaged_files_are_named(home: WarehouseHome) -> None:
    broken = home.build / "broken.duckdb"
    broken.write_bytes(b"this is no database" * 1000)
    with pytest.raises(WarehouseError, match=r"broken\.duckdb can't be read"):
        connect_read_only(broken)
    with pytest.raises(WarehouseError, match=r"broken\.duckdb can't be opened for writing"):
        connect_build(broken)


def test_prepare_makes_private_folders_whatever_the_umask(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o755)
    home = WarehouseHome(tmp_path / "home").prepare()
    assert {
        folder.stat().st_mode & 0o777 for folder in [home.root, *(p for p in home.root.rglob("*") if p.is_dir())]
    } == {0o700}


def test_prepare_refuses_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(WarehouseError, match="move it away"):
        WarehouseHome(tmp_path / "home").prepare()


def test_only_published_folders_can_be_staged(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="known: exports"):
        WarehouseHome(tmp_path).staged("lake")
