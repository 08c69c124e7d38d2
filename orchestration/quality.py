"""The night's own record in the warehouse: quality.check_results and quality.build."""

import json
from datetime import UTC, datetime

import dagster as dg
import pyarrow as pa

from orchestration.check_log import dbt_results, logged_results, summary
from orchestration.dbt_worker import RUN_RESULTS
from orchestration.manifest import ensure_manifest
from orchestration.ownership import DATA_ENGINEERING
from orchestration.refresh_context import RefreshContext
from orchestration.transform import dbt_target
from warehouse import connect_build, write_table

CHECK_RESULTS = dg.AssetKey(["quality", "check_results"])
BUILD = dg.AssetKey(["quality", "build"])

_CHECK_RESULTS_SCHEMA = pa.schema(
    [
        ("suite", pa.string()),
        ("check", pa.string()),
        ("severity", pa.string()),
        ("passed", pa.bool_()),
        ("failing_rows", pa.int64()),
        ("status", pa.string()),
        ("table_name", pa.string()),
        ("column_name", pa.string()),
        ("kahn", pa.string()),
        ("action", pa.string()),
        ("message", pa.string()),
    ]
)


def night_record(upstream: list[dg.AssetKey]) -> dg.AssetsDefinition:
    """Return the asset that writes the night's record once every check of `upstream` has been made."""

    @dg.multi_asset(
        name="night_record",
        group_name="quality",
        specs=[
            dg.AssetSpec(
                CHECK_RESULTS,
                deps=upstream,
                kinds={"duckdb"},
                owners=[DATA_ENGINEERING],
                description="Every dbt test and Great Expectations result of this night. Grain: one row per check.",
            ),
            dg.AssetSpec(
                BUILD,
                deps=upstream,
                kinds={"duckdb"},
                owners=[DATA_ENGINEERING],
                description="Which run, code, study and extracts made this warehouse. Grain: one row.",
            ),
        ],
    )
    def night_record(
        context: dg.AssetExecutionContext, refresh: dg.ResourceParam[RefreshContext]
    ) -> tuple[dg.MaterializeResult[None], dg.MaterializeResult[None]]:
        manifest = json.loads(ensure_manifest().read_text(encoding="utf-8"))
        run_results = json.loads((dbt_target(refresh.home) / RUN_RESULTS).read_text(encoding="utf-8"))
        rows = [*dbt_results(run_results, manifest), *logged_results(refresh.home)]
        started = context.instance.get_run_stats(context.run_id).start_time
        with connect_build(refresh.home.build_database, refresh.settings.memory_limit) as connection:
            checks = pa.Table.from_pylist([vars(row) for row in rows], schema=_CHECK_RESULTS_SCHEMA)
            write_table(connection, "quality", "check_results", checks)
            write_table(connection, "quality", "build", _build_row(context.run_id, started, refresh))
        counts = summary(rows)
        return (
            dg.MaterializeResult(asset_key=CHECK_RESULTS, metadata={"dagster/row_count": len(rows), **counts}),
            dg.MaterializeResult(asset_key=BUILD, metadata={"dagster/row_count": 1}),
        )

    return night_record


def _build_row(run_id: str, started: float | None, refresh: RefreshContext) -> pa.Table:
    plan = refresh.lake.plan(refresh.pseudonymiser.key_id)
    cutoff = refresh.study.study.data_cutoff
    newest = datetime.fromisoformat(plan.newest_extract).date() if plan.newest_extract else None
    ledger = [row for row in refresh.lake.ledger() if row.key_id == refresh.pseudonymiser.key_id]
    now = datetime.now(UTC).replace(tzinfo=None)
    return pa.Table.from_pylist(
        [
            {
                "run_id": run_id,
                "started": datetime.fromtimestamp(started, UTC).replace(tzinfo=None) if started else now,
                "finished": now,
                "code_version": refresh.code_version,
                "study_name": refresh.study.study.name,
                "study_sha256": refresh.study_sha256,
                "conventions": refresh.study.conventions,
                "data_cutoff": cutoff or newest,
                "extracts": sorted({row.extract for row in ledger}),
                "source_systems": sorted({row.source_system for row in ledger}),
                "synthetic": bool(ledger) and all(row.source_system == "synthetic" for row in ledger),
            }
        ]
    )
