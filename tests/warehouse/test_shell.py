"""The read-only SQL shell."""

from __future__ import annotations

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


def test_without_a_warehouse_it_says_what_to_run(home: WarehouseHome) -> None:
    done = ask(home, "select 1;")
    assert (done.returncode, done.stdout) == (2, "")
    assert "make refresh" in done.stderr
    assert "Traceback" not in done.stderr


def test_statements_end_at_semicolons_outside_quotes() -> None:
    lines = iter(["select ';'\n", ", 1; select 2;\n", "-- note;\n", "select 3\n"])
    assert list(statements(lines)) == ["select ';'\n, 1; select 2;\n", "-- note;\nselect 3\n"]
    assert list(statements(iter(["exit\n", "select 1;\n"]))) == []
