"""The last step: documents staged, then one atomic swap of everything that readers see."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from orchestration.code_version import code_version
from orchestration.manifest import DBT_EXECUTABLE, dbt_variables
from orchestration.operations import audit_facts, record_builds
from orchestration.ownership import DATA_ENGINEERING
from orchestration.refresh_context import RefreshContext
from orchestration.settings import DBT_PROJECT_DIR
from orchestration.user_errors import as_failure
from warehouse import publish

PUBLISHED = dg.AssetKey(["published", "warehouse"])


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
            version = publish(
                refresh.home,
                context.run_id,
                datetime.now(UTC),
                facts=audit_facts(
                    refresh.home, refresh.ledger, code_version(), refresh.study_sha256, refresh.pseudonymiser.key_id
                ),
                keep=refresh.settings.keep_versions,
                memory_limit=refresh.settings.memory_limit,
            )
            record_builds(refresh.home)
        return dg.MaterializeResult(
            metadata={
                "version": version.name,
                "warehouse": dg.MetadataValue.path(str(refresh.home.database)),
                "report": dg.MetadataValue.path(str(refresh.home.report / "index.html")),
            }
        )

    return published_warehouse


@contextmanager
def dbt_docs_in_background(refresh: RefreshContext) -> Iterator[None]:
    """Write the static dbt docs while the body runs.

    Without a catalogue query, so that the build file stays free; a second process keeps the other core busy that the
    analyses leave idle.
    """
    target = refresh.home.build / "docs_target"
    command = [str(DBT_EXECUTABLE), "--quiet", "docs", "generate", "--static", "--empty-catalog", "--no-compile"]
    command += ["--project-dir", str(DBT_PROJECT_DIR), "--profiles-dir", str(DBT_PROJECT_DIR)]
    command += ["--target-path", str(target), "--log-path", str(target)]
    command += ["--vars", dbt_variables(refresh.settings.study)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            yield
        finally:
            _, complaint = process.communicate()
    if process.returncode:
        raise dg.Failure(description=f"The dbt docs could not be written: {complaint.strip()}")
    _stage_docs(target, refresh.home.staged("dbt_docs"))


def _stage_docs(target: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (target / "static_index.html").replace(folder / "index.html")
