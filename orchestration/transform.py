"""The one @dbt_assets: staging, intermediate, marts and quality, with every dbt test as an asset check."""

import importlib.metadata
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliInvocation,
    DbtCliResource,
    dbt_assets,
)
from dagster_dbt.asset_utils import get_manifest_and_translator_from_dbt_assets
from packaging.version import Version

from orchestration.check_words import describe_test
from orchestration.checks import begin_mart_checks
from orchestration.column_lineage import origins_table, read_lineage
from orchestration.dbt_process import dbt_environment
from orchestration.delta_night import accepted_rows
from orchestration.jobs import REBUILD_JOB_NAME
from orchestration.manifest import DBT_EXECUTABLE, LINEAGE, dbt_variables, ensure_manifest, prebuilt_parse
from orchestration.night_build import WHOLE_BUILD, build_night, prepare_whole_build
from orchestration.ownership import CLINICAL_DATA, DATA_ENGINEERING
from orchestration.raw import LAKE_PLAN
from orchestration.refresh_context import RefreshContext
from orchestration.settings import DBT_PROJECT_DIR
from orchestration.table_metadata import column_lineage, describe_tables
from orchestration.user_errors import as_failure
from orchestration.warm_up import start_warm_up
from warehouse import WarehouseHome

_ONE_MODEL_FROM_ROWS = 50_000_000  # between 20 million, where two at a time were faster, and 200 million, where one was

# A night that failed twice shows on every mart; one that only ran late does not.
MARTS_ARE_FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=50), warn_window=timedelta(hours=26))


class WarehouseTranslator(DagsterDbtTranslator):
    """Gives dbt models the groups, keys and owners of the house.

    A model's key is its schema and name; its group is its schema, so that the groups of the lineage follow the rooms.
    """

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Return `[schema, name]` for models and seeds; sources carry their own key (`raw`/feed)."""
        if dbt_resource_props["resource_type"] == "source":
            return super().get_asset_key(dbt_resource_props)
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Return the schema."""
        return str(dbt_resource_props["schema"])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        """Staging and quality belong to data engineering, clinical models to the clinical data team."""
        engineering = dbt_resource_props["schema"] in ("staging", "quality")
        return [DATA_ENGINEERING if engineering else CLINICAL_DATA]

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> dg.AssetSpec:
        """Add the lake plan to what staging waits for."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        if spec.group_name == "marts":
            spec = spec.replace_attributes(freshness_policy=MARTS_ARE_FRESH)
        spec = spec.merge_attributes(metadata={"dagster/table_name": ".".join(spec.key.path)})
        reads_lake = any(parent.startswith("source.") for parent in _parents(manifest, unique_id))
        return spec.merge_attributes(deps=[LAKE_PLAN]) if reads_lake else spec

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Mapping[str, Any], unique_id: str, project: Any
    ) -> dg.AssetCheckSpec | None:
        """Say what the test means, and what to do when it fails."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        return spec and spec._replace(description=describe_test(manifest["nodes"][unique_id]))


def _parents(manifest: Mapping[str, Any], unique_id: str) -> list[str]:
    node = manifest["nodes"].get(unique_id, {})
    return list(node.get("depends_on", {}).get("nodes", []))


def _dbt_version() -> Version:
    return Version(importlib.metadata.version("dbt-core"))


class NightlyDbt(DbtCliResource):
    """dagster-dbt's resource without two things that a night doesn't use.

    It starts `dbt --version` in a process of its own (2.5 s), and parses all dbt macros in this process to hold an
    adapter (1.5 s) for `fetch_row_counts` and `fetch_column_metadata`, in whose place stands `table_metadata`.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return _dbt_version()

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:
        return None


def dbt_target(home: WarehouseHome) -> Path:
    """Return where dbt keeps its last results, and its parse where it makes one itself: in runs of chosen steps."""
    return home.root / "dbt_target"


def forget_stale_parse(target: Path) -> None:
    """Remove dbt's parse of an earlier version of the project: it can miss that a macro now reads another model."""
    parse = target / "partial_parse.msgpack"
    if parse.exists() and parse.stat().st_mtime_ns < ensure_manifest().stat().st_mtime_ns:
        parse.unlink()


def dbt_options(refresh: RefreshContext) -> list[str]:
    """Return the options that every dbt command of a night is given."""
    return ["--vars", dbt_variables(refresh.settings.study), "--no-use-colors"]


def one_model_at_a_time(refresh: RefreshContext) -> list[str]:
    """Return dbt's options for a very long history: two models at once share the memory limit, and one uses both cores.

    On a shorter one two threads are faster: dbt's own Python takes time, and a table of few row groups leaves a core
    idle. Measured by the clock, one thread and two: 67 and 57 s at 20 million rows, 522 and 580 s at 200 million.
    """
    return ["--threads", "1"] if accepted_rows(refresh.ledger) >= _ONE_MODEL_FROM_ROWS else []


def begin_whole_build(refresh: RefreshContext) -> None:
    """Let dbt begin on a short history while Great Expectations judges the lake; the dbt step takes it over.

    What dbt builds is worth nothing before that step: a lake that does not pass ends the refresh, and dbt with it. On a
    long history, where a delta builds the changed patients alone, it is not known yet whether all is to be built.
    """
    if accepted_rows(refresh.ledger) >= refresh.settings.delta_from_rows:
        return
    prepare_whole_build(refresh.home)
    variables = {**os.environ, **refresh.settings.dbt_environment()}
    environment = dbt_environment(variables, dbt_target(refresh.home))
    refresh.dbt.begin([*WHOLE_BUILD, *dbt_options(refresh)], environment, prebuilt_parse())


def run_dbt(
    context: dg.AssetExecutionContext,
    refresh: RefreshContext,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    target: Path,
) -> Iterator[Any]:
    """Run dbt once and yield its events for Dagster; when they have been read, a run that failed raises.

    Args:
        context: the step, whose chosen models and checks alone are made.
        refresh: the night.
        arguments: dbt's, without program, project and paths.
        environment: variables beside (or in place of) those of the settings.
        target: folder of dbt's parse and results.
    """
    variables = {**refresh.settings.dbt_environment(), **environment}
    if context.is_subset:  # dagster-dbt knows how to name them to dbt
        os.environ.update(variables)
        dbt = NightlyDbt(
            project_dir=str(DBT_PROJECT_DIR), profiles_dir=str(DBT_PROJECT_DIR), dbt_executable=str(DBT_EXECUTABLE)
        )
        return dbt.cli(arguments, context=context, target_path=target).stream()
    manifest, translator, _ = get_manifest_and_translator_from_dbt_assets([context.assets_def])
    return DbtCliInvocation(
        process=refresh.dbt.run(
            arguments,
            dbt_environment({**os.environ, **variables}, target),
            prebuilt_parse(),
        ),
        manifest=manifest,
        dagster_dbt_translator=translator,
        project_dir=DBT_PROJECT_DIR,
        target_path=target,
        raise_on_error=True,
        cli_version=_dbt_version(),
        context=context,
    ).stream()


def warehouse_models() -> dg.AssetsDefinition:
    """Return the dbt project as assets; parses it first if a file of it changed."""

    @dbt_assets(
        manifest=ensure_manifest(),
        dagster_dbt_translator=WarehouseTranslator(
            settings=DagsterDbtTranslatorSettings(enable_asset_checks=True, enable_source_tests_as_checks=False)
        ),
        name="warehouse_models",
    )
    def warehouse_models(context: dg.AssetExecutionContext, refresh: dg.ResourceParam[RefreshContext]) -> Iterator[Any]:
        with as_failure():
            options = [*dbt_options(refresh), *one_model_at_a_time(refresh)]

        def run(arguments: list[str], environment: Mapping[str, str], parse: str) -> Iterator[Any]:
            target = dbt_target(refresh.home) / parse
            forget_stale_parse(target)
            return run_dbt(context, refresh, [*arguments, *options], environment, target)

        start_warm_up()
        events = build_night(refresh, run, context.log.info, dbt_target(refresh.home), _why_whole(context))
        yield from _with_metadata(events, refresh, judged_next=not context.is_subset)

    return warehouse_models


def _why_whole(context: dg.AssetExecutionContext) -> str | None:
    if context.is_subset:
        return "only chosen tables are asked for"
    return "that is asked for" if context.job_name == REBUILD_JOB_NAME else None


def _with_metadata(events: Iterator[Any], refresh: RefreshContext, judged_next: bool) -> Iterator[Any]:
    """Yield dbt's events; materialisations last, when dbt has let go of the file and rows can be counted.

    A failing dbt run raises while its events are read: what was built until then is reported first.
    """
    built: list[dg.Output[Any]] = []
    try:
        for event in events:
            if isinstance(event, dg.Output):
                built.append(event)
            else:
                yield event
        if judged_next:
            begin_mart_checks(refresh)
            _ = refresh.drawing  # its imports, when the marts are judged
    finally:
        described = _described(refresh.home) if built else {}
        lineage, known = read_lineage(LINEAGE), dict[tuple[str, str], frozenset[str]]()
        for output in built:
            table = _table_name(output)
            origins = (
                {"column origins": dg.MetadataValue.md(origins_table(lineage, table, known))}
                if table in lineage
                else {}
            )
            yield output.with_metadata(
                {**output.metadata, **described.get(table, {}), **column_lineage(lineage.get(table, {})), **origins}
            )


def _described(home: WarehouseHome) -> dict[str, dict[str, Any]]:
    databases = (database for database in (home.unpublished_database, home.build_database) if database.exists())
    return {table: metadata for database in databases for table, metadata in describe_tables(database).items()}


def _table_name(output: dg.Output[Any]) -> str:
    schema, _, name = output.output_name.partition("__")
    return f"{schema}.{name}"
