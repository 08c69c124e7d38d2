"""The asset graph: a snapshot of keys, dependencies, groups, owners and checks, so that lineage can't drift unseen.

After a wanted change: `python -m pytest tests/orchestration/test_graph.py --snapshot-update`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import dagster as dg
import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from expectations import declared_checks
from orchestration.code_location import build_definitions
from orchestration.column_lineage import read_lineage
from orchestration.manifest import LINEAGE, ensure_manifest
from orchestration.settings import Settings


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(Settings.from_environment({}))


def graph_of(definitions: dg.Definitions) -> dict[str, Any]:
    graph = definitions.resolve_asset_graph()
    assets: dict[str, Any] = {}
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        assets[key.to_user_string()] = {
            "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
            "group": node.group_name,
            "owners": sorted(node.owners),
            "checks": sorted(check.name for check in graph.get_check_keys_for_assets({key})),
        }
    return assets


def test_the_graph_is_as_agreed(definitions: dg.Definitions, snapshot: SnapshotAssertion) -> None:
    assert graph_of(definitions) == snapshot(extension_class=JSONSnapshotExtension)


def test_every_asset_has_an_owner_a_group_and_a_description_with_its_grain(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.owners, key
        assert node.group_name not in (None, "default"), key
        description = (node.description or "").lower()
        assert "one row per" in description or "grain" in description, key


def test_groups_follow_the_rooms(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    groups = {str(graph.get(key).group_name) for key in graph.get_all_asset_keys()}
    assert groups == {
        "raw", "staging", "intermediate", "marts", "quality", "analysis", "report", "published",
    }  # fmt: skip


def test_publishing_waits_for_every_table_and_for_the_report(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    published = dg.AssetKey(["published", "warehouse"])
    upstream = graph.get_ancestor_asset_keys(published) if hasattr(graph, "get_ancestor_asset_keys") else set()
    upstream = upstream or ancestors(graph, published)
    assert graph.get_all_asset_keys() - upstream - {published} == set()


def ancestors(graph: Any, key: dg.AssetKey) -> set[dg.AssetKey]:
    found: set[dg.AssetKey] = set()
    waiting = [key]
    while waiting:
        for parent in graph.get(waiting.pop()).parent_keys:
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


def test_error_severity_blocks_and_warnings_do_not(definitions: dg.Definitions) -> None:
    specs = [spec for check in definitions.asset_checks or [] for spec in check.check_specs]
    assert {spec.metadata["severity"] for spec in specs} == {"error", "warn"}
    assert all(spec.blocking == (spec.metadata["severity"] == "error") for spec in specs)


def test_there_is_a_nightly_schedule_and_a_landing_sensor(definitions: dg.Definitions) -> None:
    assert [schedule.name for schedule in definitions.schedules or []] == ["nightly_refresh"]
    assert "landing" in [sensor.name for sensor in definitions.sensors or []]


def test_every_dbt_test_is_an_asset_check(definitions: dg.Definitions) -> None:
    """A test with several parents may land on no asset; it then needs `meta.dagster.ref`."""
    nodes = json.loads(ensure_manifest().read_text(encoding="utf-8"))["nodes"].values()
    tests = {node["name"] for node in nodes if node["resource_type"] == "test"}
    expectations = {(spec.asset_table, spec.name) for spec in declared_checks()}
    checks = {
        key.name
        for key in definitions.resolve_asset_graph().asset_check_keys
        if (key.asset_key.path[-1], key.name) not in expectations
    }
    assert len(tests) > 100
    assert tests - checks == set()


def test_every_mart_column_comes_from_somewhere() -> None:
    """Column lineage reaches back to the lake: from the CR flag to the feed with the blasts that decided it."""
    ensure_manifest()
    lineage = read_lineage(LINEAGE)
    reached: set[str] = set()
    waiting = [("marts.patients", "complete_remission")]
    seen = set(waiting)
    while waiting:
        table, column = waiting.pop()
        reached.add(table)
        for upstream in lineage.get(table, {}).get(column, []):
            pair = (upstream[0], upstream[1])
            if pair not in seen:
                seen.add(pair)
                waiting.append(pair)
    assert "raw.marrow_assessments" in reached
    unexplained = [column for column, sources in lineage["marts.patients"].items() if not sources]
    assert unexplained == []


@pytest.mark.slow
def test_the_command_sees_the_same_graph_without_importing_dbt(definitions: dg.Definitions) -> None:
    code = (
        "import sys; from orchestration.refresh import _import_dagster_dbt_alone; _import_dagster_dbt_alone()\n"
        "from orchestration.code_location import build_definitions; from orchestration.settings import Settings\n"
        "graph = build_definitions(Settings.from_environment({})).resolve_asset_graph()\n"
        "assert 'dbt.adapters' not in sys.modules and 'dbt.version' not in sys.modules\n"
        "print(*sorted(key.to_user_string() for key in (*graph.get_all_asset_keys(), *graph.asset_check_keys)))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    graph = definitions.resolve_asset_graph()
    expected = sorted(key.to_user_string() for key in (*graph.get_all_asset_keys(), *graph.asset_check_keys))
    assert done.stdout.split() == " ".join(expected).split(), done.stderr
