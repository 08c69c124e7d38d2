"""The last step: documents staged, then one atomic swap of everything that readers see."""

import json
import shutil
from datetime import UTC, datetime
from functools import partial

import dagster as dg

from analysis_assets.privacy import exporter_of
from orchestration.dbt_docs import write_dbt_docs
from orchestration.delta_files import NightBefore, export_after, night_before, write_interchange
from orchestration.extracts.quarantine import export_quarantine
from orchestration.manifest import ensure_manifest
from orchestration.night_build import built_facts
from orchestration.nightly import remember_deliveries
from orchestration.operations import audit_facts, record_builds
from orchestration.ownership import DATA_ENGINEERING
from orchestration.refresh_context import RefreshContext
from orchestration.user_errors import as_failure
from warehouse import Exporter, connect_build, publish

PUBLISHED = dg.AssetKey(["published", "warehouse"])


# Made while the second process draws: after the analyses, which let it begin, before the report, which waits for it.
BESIDE_DRAWING = {"dagster/priority": "-1"}


def dbt_documentation(upstream: list[dg.AssetKey]) -> dg.AssetsDefinition:
    """Return the asset that stages dbt's documentation once `upstream` is built."""

    @dg.asset(
        key=dg.AssetKey(["published", "dbt_docs"]),
        deps=upstream,
        group_name="published",
        kinds={"html"},
        owners=[DATA_ENGINEERING],
        op_tags=BESIDE_DRAWING,
        description="dbt's documentation of every model, column and test as static pages. Grain: one per refresh.",
    )
    def dbt_docs(refresh: dg.ResourceParam[RefreshContext]) -> dg.MaterializeResult[None]:
        with as_failure():
            manifest = json.loads(ensure_manifest().read_text(encoding="utf-8"))
            databases = [refresh.home.unpublished_database, refresh.home.build_database]
            write_dbt_docs(manifest, databases, refresh.home.staged("dbt_docs"))
        return dg.MaterializeResult()

    return dbt_docs


def interchange_files(upstream: list[dg.AssetKey]) -> dg.AssetsDefinition:
    """Return the asset that stages the marts as ADaM-style Parquet and as cBioPortal files."""

    @dg.asset(
        key=dg.AssetKey(["published", "interchange"]),
        deps=upstream,
        group_name="published",
        kinds={"parquet"},
        owners=[DATA_ENGINEERING],
        op_tags=BESIDE_DRAWING,
        description="The marts as ADaM-style Parquet and as cBioPortal files. Grain: one folder per refresh.",
    )
    def interchange(refresh: dg.ResourceParam[RefreshContext]) -> dg.MaterializeResult[None]:
        # Patient by patient, these files would undo the suppression of small counts.
        if refresh.settings.interchange and exporter_of(refresh.study) is None:
            with as_failure():
                _write_interchange(refresh, night_before(refresh.home))
        return dg.MaterializeResult()

    return interchange


def published_warehouse(upstream: list[dg.AssetKey]) -> dg.AssetsDefinition:
    """Return the asset that publishes; it waits for `upstream` and so for every blocking check on it."""

    @dg.asset(
        key=PUBLISHED,
        deps=upstream,
        group_name="published",
        kinds={"duckdb", "parquet"},
        owners=[DATA_ENGINEERING],
        description=(
            "The published night: warehouse.duckdb, exports, report, Data Docs and dbt docs, put in place together by "
            "one rename. Grain: one version per refresh."
        ),
    )
    def published_warehouse(
        context: dg.AssetExecutionContext, refresh: dg.ResourceParam[RefreshContext]
    ) -> dg.MaterializeResult[None]:
        with as_failure():
            refresh.judge.finish_data_docs()
            version = publish(
                refresh.home,
                context.run_id,
                datetime.now(UTC),
                facts=audit_facts(
                    refresh.home,
                    refresh.ledger,
                    refresh.code_version,
                    refresh.study_sha256,
                    refresh.pseudonymiser.key_id,
                )
                | built_facts(refresh.home),
                keep=refresh.settings.keep_versions,
                memory_limit=refresh.settings.memory_limit,
                exporter=exporter_of(refresh.study) or _spliced_exports(refresh),
            )
            record_builds(refresh.home)
            remember_deliveries(refresh.settings, refresh.read_extracts)
            plan = refresh.lake.plan(refresh.pseudonymiser.key_id)
            export_quarantine(refresh.lake, refresh.home.quarantine, plan, refresh.home.database.resolve())
        return dg.MaterializeResult(
            metadata={
                "version": version.name,
                "warehouse": dg.MetadataValue.path(str(refresh.home.database)),
                "report": dg.MetadataValue.path(str(refresh.home.report / "index.html")),
            }
        )

    return published_warehouse


def _spliced_exports(refresh: RefreshContext) -> Exporter | None:
    """Return what writes a delta night's exports from last night's; None for a night that was built whole."""
    before = night_before(refresh.home)
    return partial(export_after, before) if before else None


def _write_interchange(refresh: RefreshContext, before: NightBefore | None) -> None:
    """Stage the marts as ADaM-style Parquet and as cBioPortal files."""
    folder = refresh.home.staged("interchange")
    shutil.rmtree(folder, ignore_errors=True)  # files of an earlier try may have got their place in a version
    with connect_build(refresh.home.build_database, refresh.settings.memory_limit) as connection:
        write_interchange(connection, refresh.study, folder, before)
