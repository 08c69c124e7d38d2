"""The whole night in one: what a person sees, what is published, and that nothing was silently left out."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.night import ROOT, Night

pytestmark = pytest.mark.slow


@pytest.fixture
def warehouse(published_night: Night) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(published_night.database.resolve()), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def expected_graph(published_night: Night) -> dict[str, list[str]]:
    """Keys of every asset and check that the definitions declare, read in a process of its own."""
    script = (
        "import json, warnings; warnings.simplefilter('ignore')\n"
        "from orchestration.definitions import defs\n"
        "graph = defs.resolve_asset_graph()\n"
        "assets = sorted(key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).is_executable)\n"
        "checks = sorted(f'{key.asset_key.to_user_string()}:{key.name}' for key in graph.asset_check_keys)\n"
        "print(json.dumps({'assets': assets, 'checks': checks}))\n"
    )
    environment = {**os.environ, "CART_HOME": str(published_night.home)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    graph: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return graph


def events(home: Path, kind: str) -> list[dict[str, Any]]:
    """Dagster's stored events of one type, of all runs."""
    with sqlite3.connect(home / "dagster" / "history" / "runs" / "index.db") as connection:
        rows = connection.execute("select event from event_logs where dagster_event_type = ?", [kind]).fetchall()
    return [json.loads(row[0]) for row in rows]


def test_headline_figures_are_printed(published_night: Night) -> None:
    printed = published_night.stdout
    assert "39 of 39 known" in printed
    assert "36 (92.3%)" in printed
    assert "30 (76.9%)" in printed
    assert "17 (43.6%)" in printed
    assert "median EFS        11.6 months (95% CI 4.0 to 19.2" in printed
    assert "median OS         14.0 months (95% CI 10.9 to 17.1" in printed
    assert "checks" in printed
    assert str(published_night.database) in printed


def test_every_asset_was_materialised_and_every_check_evaluated(
    published_night: Night, expected_graph: dict[str, list[str]]
) -> None:
    materialised = {
        "/".join(event["dagster_event"]["event_specific_data"]["materialization"]["asset_key"]["path"])
        for event in events(published_night.home, "ASSET_MATERIALIZATION")
    }
    assert set(expected_graph["assets"]) - materialised == set()
    evaluated = {
        "{}:{}".format("/".join(data["asset_key"]["path"]), data["check_name"])
        for event in events(published_night.home, "ASSET_CHECK_EVALUATION")
        for data in [event["dagster_event"]["event_specific_data"]]
    }
    assert set(expected_graph["checks"]) - evaluated == set()
    assert len(expected_graph["checks"]) > 150


def test_check_results_hold_every_evaluated_check(
    warehouse: duckdb.DuckDBPyConnection, published_night: Night, expected_graph: dict[str, list[str]]
) -> None:
    recorded, broken, failed = warehouse.execute(
        "select count(*), count(*) filter (where status = 'error'), "
        "count(*) filter (where severity = 'error' and status = 'failed') from quality.check_results"
    ).fetchone() or (0, 0, 0)
    assert recorded >= len(expected_graph["checks"])
    assert (broken, failed) == (0, 0)


def test_everything_of_the_contract_is_published(published_night: Night) -> None:
    home = published_night.home
    for name in (
        "report/index.html",
        "data_docs/index.html",
        "dbt_docs/index.html",
        "exports/outcomes.parquet",
        "interchange/adam/adtte.parquet",
        "interchange/cbioportal/data_clinical_patient.txt",
    ):
        assert (home / name).stat().st_size > 0, name
    figures = list((home / "report" / "figures").glob("*.svg"))
    assert {"km_efs.svg", "km_os.svg"} <= {path.name for path in figures}
    assert {path.stem for path in figures} == {path.stem for path in (home / "report" / "figures").glob("*.png")}


def test_the_home_is_private(published_night: Night) -> None:
    open_to_others = [
        path
        for path in published_night.home.rglob("*")
        if not path.is_symlink() and path.stat().st_mode & 0o077 and "dagster" not in path.parts
    ]
    assert open_to_others == []


def test_tables_of_the_contract_have_their_columns(warehouse: duckdb.DuckDBPyConnection) -> None:
    contract = json.loads((ROOT / "tests" / "orchestration" / "warehouse_contract.json").read_text(encoding="utf-8"))
    for table, columns in contract.items():
        found = {row[0] for row in warehouse.execute(f"describe {table}").fetchall()}
        assert set(columns) <= found, table
