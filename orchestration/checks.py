"""Great Expectations suites as asset checks: on the lake before dbt, on the marts before every analysis."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from expectations import CheckResult, CheckSpec, declared_checks
from expectations.judge import MartsToJudge
from orchestration.check_log import record_results
from orchestration.extracts import feed_histories, history_records
from orchestration.jobs import is_whole_night
from orchestration.raw import raw_key
from orchestration.refresh_context import RefreshContext
from orchestration.user_errors import as_failure
from warehouse import current_version


def expectation_checks(beside_raw: Callable[[RefreshContext], None]) -> list[dg.AssetChecksDefinition]:
    """Return one multi-check for the raw suite and one for the marts suite.

    Args:
        beside_raw: what a whole night begins while the lake is judged; it returns at once.
    """
    specs = declared_checks()
    return [
        _raw_checks([spec for spec in specs if spec.suite == "raw"], beside_raw),
        _mart_checks([spec for spec in specs if spec.suite != "raw"]),
    ]


def _asset_key(spec: CheckSpec) -> dg.AssetKey:
    return raw_key(spec.asset_table) if spec.suite == "raw" else dg.AssetKey([spec.schema, spec.asset_table])


def _as_spec(spec: CheckSpec) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        name=spec.name,
        asset=_asset_key(spec),
        description=spec.description,
        blocking=spec.severity == "error",
        metadata={"kahn": spec.kahn, "severity": spec.severity},
    )


def _raw_checks(specs: Sequence[CheckSpec], beside: Callable[[RefreshContext], None]) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(name="raw_expectations", specs=[_as_spec(spec) for spec in specs], can_subset=True)
    def raw_expectations(
        context: dg.AssetCheckExecutionContext, refresh: dg.ResourceParam[RefreshContext]
    ) -> Iterator[dg.AssetCheckResult]:
        with as_failure():
            refresh.require_sound_lake()
        refresh.lake.write_plan(refresh.pseudonymiser.key_id)
        if is_whole_night(context.run):
            beside(refresh)
        histories = history_records(feed_histories(refresh.lake, refresh.pseudonymiser.key_id))
        results = refresh.judge.lake(refresh.home.lake, _pages(refresh), histories, refresh.settings.memory_limit)
        record_results(refresh.home, "raw", results)
        yield from _as_results(results, _chosen(context, specs))

    return raw_expectations


def _mart_checks(specs: Sequence[CheckSpec]) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(name="mart_expectations", specs=[_as_spec(spec) for spec in specs], can_subset=True)
    def mart_expectations(
        context: dg.AssetCheckExecutionContext, refresh: dg.ResourceParam[RefreshContext]
    ) -> Iterator[dg.AssetCheckResult]:
        results = refresh.judge.marts(_marts_to_judge(refresh))
        record_results(refresh.home, "marts", results)
        refresh.judge.begin_data_docs(
            _pages(refresh), refresh.home.staged("data_docs"), context.run.run_id, datetime.now(UTC)
        )
        yield from _as_results(results, _chosen(context, specs))

    return mart_expectations


def begin_mart_checks(refresh: RefreshContext) -> None:
    """Let Great Expectations begin on the marts while this process still tells Dagster what dbt has built.

    Only reads the build file, which must be closed; the step of the mart checks takes the results.
    """
    refresh.judge.begin_marts(_marts_to_judge(refresh))


def _marts_to_judge(refresh: RefreshContext) -> MartsToJudge:
    published = current_version(refresh.home)
    rows = published.manifest()["rows"] if published else None
    return MartsToJudge(refresh.home.build_database, refresh.study, _pages(refresh), rows, refresh.memory_limit)


def _pages(refresh: RefreshContext) -> Path:
    return refresh.home.build / "check_pages"


def _chosen(context: dg.AssetCheckExecutionContext, specs: Sequence[CheckSpec]) -> list[CheckSpec]:
    """The checks of the assets that this run makes: a backfill of a few feeds tells of those alone."""
    keys = context.selected_asset_check_keys
    return [spec for spec in specs if dg.AssetCheckKey(_asset_key(spec), spec.name) in keys]


def _as_results(results: Sequence[CheckResult], specs: Sequence[CheckSpec]) -> Iterator[dg.AssetCheckResult]:
    """A check without data to judge counts as passed for Dagster, and says so; a broken check never does."""
    by_name = {(result.check, result.table): result for result in results}
    for spec in specs:
        result = by_name[(spec.name, spec.asset_table)]
        yield dg.AssetCheckResult(
            check_name=spec.name,
            asset_key=_asset_key(spec),
            passed=result.status in ("passed", "not_applicable"),
            severity=dg.AssetCheckSeverity.ERROR if spec.severity == "error" else dg.AssetCheckSeverity.WARN,
            description=result.message,
            metadata={
                "status": result.status,
                "failing rows": result.failing_rows or 0,
                "what to do": result.action,
                "kahn": spec.kahn,
            },
        )
