"""The dbt step of a night: whole, or after a small delta on a long history for the changed patients alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from dagster import Output
from dagster_dbt.errors import DagsterDbtCliRuntimeError

from orchestration.delta_night import (
    LARGEST_SHARE,
    Models,
    NightFacts,
    Slice,
    accepted_rows,
    delivered_feeds,
    delivers_otherwise,
    empty_among,
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
from orchestration.extracts.lake import Plan
from orchestration.manifest import ensure_manifest
from orchestration.patient_tests import (
    add_results,
    by_patient_tests,
    failed_by_tests_alone,
    passed_last_night,
    statuses_of_tests,
)
from orchestration.refresh_context import RefreshContext
from warehouse import WarehouseHome, create_build, current_version, remove_database
from warehouse.replacement import Table, copy_published

RunDbt = Callable[[list[str], Mapping[str, str], str], Iterator[Any]]
"""Runs dbt with arguments, environment and the name of a folder for its parse; yields its events for Dagster."""
Say = Callable[[str], None]

WHOLE_BUILD = ["build", "--exclude-resource-type", "unit_test"]
# Tests are left out by their own names alone, not with the tables that they test.
_TESTS_BY_NAME = ["--indirect-selection", "empty"]
_SLICE_TARGET = "slice"


def build_night(
    refresh: RefreshContext, run: RunDbt, say: Say, target: Path, whole_because: str | None = None
) -> Iterator[Any]:
    """Build the night's tables and make every test; yield dbt's events, each table's and each test's once.

    Args:
        refresh: the night; its plan stands in the lake.
        run: runs dbt.
        say: tells the log which way was taken and why.
        target: folder under which dbt's runs leave their results.
        whole_because: why the night must be built whole, whatever was delivered.
    """
    home = refresh.home
    plan = refresh.lake.plan(refresh.pseudonymiser.key_id)
    tonight = facts_of_plan(
        plan,
        refresh.code_version,
        refresh.study_sha256,
        refresh.pseudonymiser.key_id,
        refresh.study.study.data_cutoff,
    )
    last = last_night(home)
    reason = whole_because or why_whole(last, tonight, accepted_rows(refresh.ledger), refresh.settings.delta_from_rows)
    if last is None or reason is not None:
        yield from _build_whole(refresh, run, say, tonight, reason)
        return
    project = Project.of(json.loads(ensure_manifest().read_text(encoding="utf-8")))
    try:
        changed = _build_changed(refresh, run, target, project, plan, last, tonight)
    except MustBeWholeError as why:
        yield from _build_whole(refresh, run, say, tonight, str(why))
        return
    say(f"A delta night: {changed.patients} of {changed.known} patients are built anew.")
    yield from _build_rest(refresh, run, say, target, project, changed)
    base = current_version(home)
    _note(home, replace(tonight, deltas=last.deltas + 1), base.name if base else None)


def _build_whole(
    refresh: RefreshContext, run: RunDbt, say: Say, tonight: NightFacts, reason: str | None
) -> Iterator[Any]:
    """Build every table from the whole lake; on a short history dbt has begun already."""
    say(f"The warehouse is built whole: {reason}.")
    if not refresh.dbt.begun:
        prepare_whole_build(refresh.home)
    yield from run(WHOLE_BUILD, {}, "")
    _note(refresh.home, tonight)


class MustBeWholeError(Exception):
    """Why a night that began as a delta night is built whole."""


@dataclass(frozen=True)
class Project:
    """What a delta night needs to know of the dbt project.

    Attributes:
        manifest: dbt's own.
        models: tables by what their rows depend on.
        tests: tests that judge patient by patient: name by unique id.
    """

    manifest: Mapping[str, Any]
    models: Models
    tests: Mapping[str, str]

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Project:
        """Tell the project's tables and tests apart."""
        models = models_of(manifest)
        return cls(manifest, models, by_patient_tests(manifest, models.by_patient | models.work))


@dataclass(frozen=True)
class Changed:
    """The changed patients' tables, built and tested.

    Attributes:
        slice_: where they lie.
        patients: number of the changed patients.
        known: number of last night's patients.
        made: events of the tables that are not made once more on the whole.
        empty: tables about the cohort that are known to be empty, as last night.
        settled: what is known of the whole by these patients: tests by unique id, with their events.
    """

    slice_: Slice
    patients: int
    known: int
    made: list[Any]
    empty: frozenset[Table]
    settled: Mapping[str, list[Any]]


def _build_changed(
    refresh: RefreshContext,
    run: RunDbt,
    target: Path,
    project: Project,
    plan: Plan,
    last: NightFacts,
    tonight: NightFacts,
) -> Changed:
    """Build the changed patients' tables from a lake of their own and make the tests that judge patient by patient.

    Last night's warehouse is copied meanwhile, for their rows to be put into it.

    Raises:
        MustBeWholeError: more than these patients' rows changed, too many did, or a test stops the night.
    """
    home, memory_limit = refresh.home, refresh.settings.memory_limit
    if is_gone(home, last):
        raise MustBeWholeError("a lake file that last night read is gone")
    remove_database(home.unpublished_database)
    slice_ = Slice(home.build / "slice")
    changed, known = find_changed_patients(home, slice_, last, tonight, memory_limit)
    if changed > known * LARGEST_SHARE:
        raise MustBeWholeError(f"{changed} of {known} patients have new rows")
    before, empty = passed_last_night(home), empty_among(home.database, project.models.empty_by_patient)
    asked = {unique_id: name for unique_id, name in project.tests.items() if name in before}
    with ThreadPoolExecutor(1) as beside:  # at a million patients nine gigabytes are copied while dbt is at work
        copied = beside.submit(copy_published, home.database.resolve(), home.build_database)
        write_slice_lake(home, slice_, plan, last.delivered, memory_limit)
        try:
            events = list(run(_slice_arguments(project, asked, empty), slice_.environment(), _SLICE_TARGET))
        except DagsterDbtCliRuntimeError:
            if not failed_by_tests_alone(target / _SLICE_TARGET):
                raise
            raise MustBeWholeError("a test that stops the night found something") from None
        if reason := delivers_otherwise(slice_, last.delivered):
            raise MustBeWholeError(reason)
        copied.result()
    statuses = statuses_of_tests(target / _SLICE_TARGET)
    settled: dict[str, list[Any]] = {unique_id: [] for unique_id in asked if statuses.get(unique_id) == "pass"}
    for event in events:
        unique_id = _test_of(event)
        if unique_id in settled:
            settled[unique_id].append(event)
    empty = empty_among(slice_.database, empty)
    made = list(_of_slice(events, project.models.by_cohort - empty))
    return Changed(slice_, changed, known, made, empty, settled)


def _build_rest(
    refresh: RefreshContext, run: RunDbt, say: Say, target: Path, project: Project, changed: Changed
) -> Iterator[Any]:
    """Put the changed patients' rows into last night's tables; make the tables and tests about the whole cohort."""
    memory_limit = refresh.settings.memory_limit
    alike = seeds_of(project.manifest) | changed.empty
    put_in_place(refresh.home, changed.slice_, project.models, alike, memory_limit)
    built = list(changed.made)
    settled = {project.tests[unique_id] for unique_id in changed.settled}
    for event in run(_cohort_arguments(project.models, changed.empty, settled), {}, ""):
        if isinstance(event, Output):
            built.append(event)
        else:
            yield event
    add_results(target, target / _SLICE_TARGET, changed.settled)
    say(f"{len(settled)} tests that judge patient by patient were made on the changed patients alone.")
    for events in changed.settled.values():
        yield from events
    places = _place_by_output(project.manifest)
    yield from sorted(built, key=lambda output: places[output.output_name])


def _test_of(event: Any) -> str | None:
    """The unique id of the test that an event tells of; None where it tells of a table."""
    if isinstance(event, Output):
        return None
    noted = (event.metadata or {}).get("unique_id")
    return str(getattr(noted, "value", noted))


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


def _slice_arguments(project: Project, tests: Mapping[str, str], empty: frozenset[Table]) -> list[str]:
    """Everything but the tables about the whole cohort that no table by patient reads, and but the other tests."""
    tables = {name for schema, name in project.models.by_cohort - empty if schema != "intermediate"}
    nodes = project.manifest["nodes"].items()
    others = {node["name"] for unique_id, node in nodes if node["resource_type"] == "test" and unique_id not in tests}
    return [*WHOLE_BUILD, *_TESTS_BY_NAME, "--exclude", " ".join(sorted(tables | others))]


def _cohort_arguments(models: Models, empty: frozenset[Table], settled: Iterable[str]) -> list[str]:
    """The tables about the whole cohort, and every test that the changed patients have not settled."""
    tables = {name for _, name in models.by_patient | models.work | empty}
    names = sorted(tables.union(settled))
    return [*WHOLE_BUILD, "--exclude-resource-type", "seed", *_TESTS_BY_NAME, "--exclude", " ".join(names)]


def _of_slice(events: Iterable[Any], made_again: frozenset[Table]) -> Iterator[Any]:
    """What the run on the whole warehouse does not make once more: tables by patient, work tables, code lists."""
    again = {f"{schema}__{name}" for schema, name in made_again}
    for event in events:
        staging = isinstance(event, Output) and event.output_name.startswith("staging__")
        if isinstance(event, Output) and event.output_name not in again and not staging:
            yield event


def _note(home: WarehouseHome, tonight: NightFacts, base: str | None = None) -> None:
    """Leave for publishing what the next night compares itself with, and what version a delta night went on from."""
    facts = replace(tonight, delivered=delivered_feeds(home.unpublished_database)).as_json()
    (home.build / BUILT).write_text(json.dumps({**facts, "base": base}), encoding="utf-8")


BUILT = "built.json"


def built_facts(home: WarehouseHome) -> dict[str, Any]:
    """Return what `night.json` keeps of how the warehouse was built; nothing where the build left no note."""
    path: Path = home.build / BUILT
    return {"built": json.loads(path.read_text(encoding="utf-8"))} if path.exists() else {}
