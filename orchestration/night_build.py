"""The dbt step of a night: whole, or after a small delta on a long history for the changed patients alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from dagster import Output

from orchestration.code_version import code_version
from orchestration.delta_night import (
    LARGEST_SHARE,
    Models,
    NightFacts,
    Slice,
    accepted_rows,
    delivered_feeds,
    delivers_otherwise,
    facts_of_plan,
    find_changed_patients,
    is_gone,
    last_night,
    models_of,
    put_in_place,
    seeds_of,
    why_whole,
    write_slice_lake,
)
from orchestration.manifest import ensure_manifest
from orchestration.refresh_context import RefreshContext
from warehouse import WarehouseHome, create_build, remove_database

RunDbt = Callable[[list[str], Mapping[str, str], str], Iterator[Any]]
"""Runs dbt with arguments, environment and the name of a folder for its parse; yields its events for Dagster."""
Say = Callable[[str], None]

WHOLE_BUILD = ["build", "--exclude-resource-type", "unit_test"]
_SLICE = [*WHOLE_BUILD, "--exclude-resource-type", "test"]
# Tests are named by nobody here, so they are not left out with the tables that they test.
_COHORT = [*WHOLE_BUILD, "--exclude-resource-type", "seed", "--indirect-selection", "empty"]


def build_night(refresh: RefreshContext, run: RunDbt, say: Say, whole_because: str | None = None) -> Iterator[Any]:
    """Build the night's tables and make every test; yield dbt's events, each table's and each test's once.

    Args:
        refresh: the night; its plan stands in the lake.
        run: runs dbt.
        say: tells the log which way was taken and why.
        whole_because: why the night must be built whole, whatever was delivered.
    """
    home, settings = refresh.home, refresh.settings
    manifest = json.loads(ensure_manifest().read_text(encoding="utf-8"))
    plan = refresh.lake.plan(refresh.pseudonymiser.key_id)
    tonight = facts_of_plan(
        plan, code_version(), refresh.study_sha256, refresh.pseudonymiser.key_id, refresh.study.study.data_cutoff
    )
    last = last_night(home)
    reason = whole_because or why_whole(last, tonight, accepted_rows(refresh.ledger), settings.delta_from_rows)
    if last is not None and reason is None and is_gone(home, last):
        reason = "a lake file that last night read is gone"
    if last is not None and reason is None:
        remove_database(home.unpublished_database)
        slice_ = Slice(home.build / "slice")
        changed, known = find_changed_patients(home, slice_, last, tonight, settings.memory_limit)
        if changed > known * LARGEST_SHARE:
            reason = f"{changed} of {known} patients have new rows"
        else:
            models = models_of(manifest)
            write_slice_lake(home, slice_, plan, last.delivered, settings.memory_limit)
            built = list(_of_slice(run(_slice_arguments(models), slice_.environment(), "slice"), models))
            reason = delivers_otherwise(slice_, last.delivered)
    if last is None or reason is not None:
        say(f"The warehouse is built whole: {reason}.")
        if not refresh.dbt.begun:
            prepare_whole_build(home)
        yield from run(WHOLE_BUILD, {}, "")
        _note(home, tonight)
        return
    say(f"A delta night: {changed} of {known} patients are built anew, everything is tested.")
    put_in_place(home, slice_, models, seeds_of(manifest), settings.memory_limit)
    for event in run(_cohort_arguments(models), {}, ""):
        if isinstance(event, Output):
            built.append(event)
        else:
            yield event
    places = _place_by_output(manifest)
    yield from sorted(built, key=lambda output: places[output.output_name])
    _note(home, replace(tonight, deltas=last.deltas + 1))


def prepare_whole_build(home: WarehouseHome) -> None:
    """Make the empty files that a whole build fills."""
    remove_database(home.unpublished_database)
    create_build(home.build_database)


def _place_by_output(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Return the place of each output (`schema__name`) after all that it is made from, as Dagster wants them."""
    nodes = manifest["nodes"]
    tables = [unique_id for unique_id, node in nodes.items() if node["resource_type"] in ("model", "seed")]
    needs = {unique_id: nodes[unique_id]["depends_on"].get("nodes", []) for unique_id in tables}
    order = [nodes[unique_id] for unique_id in TopologicalSorter(needs).static_order() if unique_id in needs]
    return {f"{node['schema']}__{node['name']}": place for place, node in enumerate(order)}


def _slice_arguments(models: Models) -> list[str]:
    """Everything but the tables about the whole cohort that no table by patient reads."""
    names = sorted(name for schema, name in models.by_cohort if schema != "intermediate")
    return [*_SLICE, "--exclude", " ".join(names)]


def _cohort_arguments(models: Models) -> list[str]:
    return [*_COHORT, "--exclude", " ".join(sorted(name for _, name in models.by_patient | models.work))]


def _of_slice(events: Iterator[Any], models: Models) -> Iterator[Any]:
    """What the run on the whole warehouse does not make once more: tables by patient, work tables, code lists."""
    again = {f"{schema}__{name}" for schema, name in models.by_cohort}
    for event in events:
        staging = isinstance(event, Output) and event.output_name.startswith("staging__")
        if isinstance(event, Output) and event.output_name not in again and not staging:
            yield event


def _note(home: WarehouseHome, tonight: NightFacts) -> None:
    """Leave for publishing what the next night compares itself with."""
    facts = replace(tonight, delivered=delivered_feeds(home.unpublished_database)).as_json()
    (home.build / BUILT).write_text(json.dumps(facts), encoding="utf-8")


BUILT = "built.json"


def built_facts(home: WarehouseHome) -> dict[str, Any]:
    """Return what `night.json` keeps of how the warehouse was built; nothing where the build left no note."""
    path: Path = home.build / BUILT
    return {"built": json.loads(path.read_text(encoding="utf-8"))} if path.exists() else {}
