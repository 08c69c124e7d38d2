"""The read-only SQL shell."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from warehouse import WarehouseHome, publish
from warehouse.shell import statements

ROOT = Path(__file__).resolve().parents[2]


def ask(home: WarehouseHome, sql: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "warehouse.shell", str(home.root)]
    return subprocess.run(command, input=sql, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.fixture
def published(home: WarehouseHome, build: Callable[[int], None]) -> WarehouseHome:
    build(7)
    publish(home, "run7", datetime(2018, 7, 31, tzinfo=UTC))
    return home


def test_answers_questions(published: WarehouseHome) -> None:
    done = ask(
        published, "select night,\n count(*) as patients\nfrom marts.patients group by night;\nselect 'a;b' as text;"
    )
    assert done.returncode == 0
    assert "500" in done.stdout
    assert "a;b" in done.stdout


def test_can_write_nothing_and_goes_on_after_an_error(published: WarehouseHome) -> None:
    before = published.database.read_bytes()
    done = ask(published, "delete from marts.patients;\nselect nonsense;\nselect 41 + 1 as answer;\n")
    assert done.returncode == 1
    assert "read-only" in done.stdout
    assert "42" in done.stdout
    assert published.database.read_bytes() == before


@pytest.fixture
def two_nights(published: WarehouseHome, build: Callable[[int], None]) -> WarehouseHome:
    build(8)
    publish(published, "run8", datetime(2018, 8, 1, tzinfo=UTC))
    return published


def every_file(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "statement",
    [
        "copy (select 42) to '{current}/warehouse.duckdb' (format csv);",
        "copy (select 42) to '{current}/warehouse.duckdb' (format csv, use_tmp_file false);",
        "copy (select 42) to '{current}/warehouse.duckdb.wal' (format csv, use_tmp_file false);",
        "copy (select 42) to '{earlier}/warehouse.duckdb' (format csv, use_tmp_file false);",
        "copy (select 42) to '{current}/exports/patients.parquet';",
        "copy (select 42) to '{outside}/new.csv' (use_tmp_file false);",
        "explain analyze copy (select 42) to '{outside}/new.csv';",
        "prepare p as copy (select 42) to '{outside}/new.csv'; execute p;",
        "export database '{outside}/new';",
        "attach '{outside}/new.duckdb' as other; create table other.t as select 42;",
        "detach night_1; attach '{earlier}/warehouse.duckdb' as writable; drop table writable.marts.patients;",
        "set temp_directory = '{outside}/new';",
        "call enable_logging(storage = 'file', storage_path = '{outside}/new');",
        "set extension_directory = '{outside}/new'; install httpfs;",
        "create persistent secret hidden (type http);",
        "set enable_external_access = true; copy (select 42) to '{outside}/new.csv';",
        "set disabled_filesystems = ''; copy (select 42) to '{outside}/new.csv';",
    ],
)
def test_no_statement_writes_a_file(two_nights: WarehouseHome, tmp_path: Path, statement: str) -> None:
    earlier, current = sorted(path for path in two_nights.versions.iterdir() if path.is_dir())
    before = every_file(tmp_path)
    done = ask(two_nights, statement.format(current=current, earlier=earlier, outside=tmp_path))
    assert done.returncode == 1, done.stdout
    assert every_file(tmp_path) == before


@pytest.mark.parametrize(
    "statement",
    [
        "copy (select 42) to 'answer.csv';",
        "attach 'other.duckdb';",
        "from read_csv('/etc/passwd');",
        "from read_text('/etc/passwd');",
        "from glob('/etc/*');",
        "load httpfs;",
        "from read_csv('https://localhost/rows.csv');",
    ],
)
def test_a_refused_file_is_told_with_the_ways_that_are_open(published: WarehouseHome, statement: str) -> None:
    done = ask(published, f"{statement}\nselect 41 + 1 as answer;\n")
    assert done.returncode == 1
    for way in ("make sql <query.sql >answer.txt", "exports/", "read-only"):
        assert way in done.stdout
    assert "root:" not in done.stdout
    assert "42" in done.stdout


def test_kept_nights_are_there_for_queries_as_of_then(two_nights: WarehouseHome) -> None:
    done = ask(
        two_nights,
        "select 'now ' || max(night) from marts.patients;\nselect 'then ' || max(night) from night_1.marts.patients;\n",
    )
    assert done.returncode == 0, done.stdout
    assert "now 8" in done.stdout
    assert "then 7" in done.stdout


def test_a_damaged_kept_night_is_named_and_the_others_answer(two_nights: WarehouseHome) -> None:
    (earlier, _) = sorted(path for path in two_nights.versions.iterdir() if path.is_dir())
    (earlier / "warehouse.duckdb").write_bytes(b"damaged")
    done = ask(two_nights, "select max(night) as night from marts.patients;")
    assert done.returncode == 0
    assert f"{earlier}/warehouse.duckdb can't be read" in done.stderr
    assert "8" in done.stdout


def test_a_home_with_a_space_and_a_quote_answers(published: WarehouseHome, tmp_path: Path) -> None:
    moved = WarehouseHome(published.root.rename(tmp_path / "o'clock home"))
    command = ["make", "--silent", "--old-file=.venv/.ready", "sql"]  # the environment stays as it is
    settings = {**os.environ, "CART_HOME": str(moved.root)}
    done = subprocess.run(
        command, cwd=ROOT, env=settings, input="select 41 + 1 as answer;", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "42" in done.stdout


@pytest.mark.parametrize(
    "text",
    [
        "select 41 + 1 as é; -- note",
        "select 41 + 1 as é; -- 'note'; with a semicolon",
        "select 41 + 1 as é /* ; */; /* note */",
        "-- note; first\nselect 41 + 1;",
        "select 41 + 1 -- no semicolon; at all",
        "select 41 + length(';');;",
    ],
)
def test_a_comment_beside_a_semicolon_is_no_mistake(published: WarehouseHome, text: str) -> None:
    done = ask(published, text)
    assert done.returncode == 0, done.stdout
    assert "42" in done.stdout


def test_a_comment_alone_is_no_statement(published: WarehouseHome) -> None:
    assert ask(published, "-- select 1;\n").stdout == ""


def test_every_statement_of_a_line_is_answered(published: WarehouseHome) -> None:
    done = ask(published, "select 10 as a; select nonsense; select ';' as b, 20 as c;\n")
    assert done.returncode == 1
    assert "10" in done.stdout
    assert "nonsense" in done.stdout
    assert "20" in done.stdout


def test_without_a_warehouse_it_says_what_to_run(home: WarehouseHome) -> None:
    done = ask(home, "select 1;")
    assert (done.returncode, done.stdout) == (2, "")
    assert "make refresh" in done.stderr
    assert "Traceback" not in done.stderr


def test_statements_end_at_semicolons_outside_quotes() -> None:
    lines = iter(["select ';'\n", ", 1; select 2;\n", "-- note;\n", "select 3\n"])
    assert list(statements(lines)) == ["select ';'\n, 1; select 2;\n", "-- note;\nselect 3\n"]
    assert list(statements(iter(["exit\n", "select 1;\n"]))) == []
