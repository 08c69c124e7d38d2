"""The suites run in a second process, so that importing Great Expectations costs the refresh no time."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expectations.errors import ExpectationsError
from expectations.results import CheckResult
from warehouse.side_process import SideProcess, SideProcessError, fewer_collections, serve

if TYPE_CHECKING:
    from study import Study


class Judge:
    """Handle of the judging process."""

    def __init__(self) -> None:
        """Start the process."""
        self._process = SideProcess("expectations.judge")
        self._begun: Mapping[str, Any] | None = None

    def lake(self, lake_root: Path, pages: Path, histories: Sequence[Mapping[str, Any]] = ()) -> list[CheckResult]:
        """Judge the lake by its plan.json, as `run_raw_checks`; raises ExpectationsError when that can't be done."""
        request = {"suite": "raw", "lake": str(lake_root), "pages": str(pages)}
        return self._results({**request, "histories": [dict(history) for history in histories]})

    def begin_marts(self, database: Path, study: Study, pages: Path, published_rows: Mapping[str, int] | None) -> None:
        """Begin to judge the marts of a closed build file, as `run_mart_checks`, and return at once.

        `marts` with the same arguments gives the results. Nobody may write to the file until then.
        """
        self._begun = _marts_request(database, study, pages, published_rows)
        self._send(self._begun)

    def marts(
        self, database: Path, study: Study, pages: Path, published_rows: Mapping[str, int] | None
    ) -> list[CheckResult]:
        """Judge the marts of a closed build file, as `run_mart_checks`; raises ExpectationsError likewise."""
        request = _marts_request(database, study, pages, published_rows)
        if self._begun != request:
            return self._results(request)
        self._begun = None
        return [CheckResult(**result) for result in self._receive()]

    def data_docs(self, pages: Path, folder: Path, run_name: str, run_time: dt.datetime) -> None:
        """Write the Data Docs, as `build_data_docs`."""
        self._ask({"docs": str(folder), "pages": str(pages), "run_name": run_name, "run_time": run_time.isoformat()})

    def close(self) -> None:
        """End the process."""
        self._process.close()

    def _results(self, request: Mapping[str, Any]) -> list[CheckResult]:
        return [CheckResult(**result) for result in self._ask(request)]

    def _ask(self, request: Mapping[str, Any]) -> Any:
        if self._begun is not None:  # begun and never asked for
            self._begun = None
            self._receive()
        self._send(request)
        return self._receive()

    def _send(self, request: Mapping[str, Any]) -> None:
        with _told():
            self._process.ask(request)

    def _receive(self) -> Any:
        with _told():
            return self._process.answer()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except SideProcessError as error:
        raise ExpectationsError(f"Great Expectations could not judge: {error}") from None


def _marts_request(
    database: Path, study: Study, pages: Path, published_rows: Mapping[str, int] | None
) -> Mapping[str, Any]:
    rows = dict(published_rows) if published_rows is not None else None
    request = {"suite": "marts", "database": str(database), "study": study.as_dbt_variable(), "pages": str(pages)}
    return {**request, "published_rows": rows}


@dataclass(frozen=True)
class _PlannedFiles:
    files: tuple[str, ...]
    deduplicate: bool


@dataclass(frozen=True)
class _Plan:
    """`lake/plan.json` as the raw suite reads it."""

    feeds: Mapping[str, _PlannedFiles]
    ledger: tuple[str, ...]
    newest_extract: str | None


def read_plan(lake_root: Path) -> _Plan:
    """Return the plan that ingestion wrote."""
    content = json.loads((lake_root / "plan.json").read_text(encoding="utf-8"))
    feeds = {
        name: _PlannedFiles(tuple(feed["files"]), bool(feed["deduplicate"])) for name, feed in content["feeds"].items()
    }
    return _Plan(feeds, tuple(content["ledger"]), content["newest_extract"])


def _handle(request: Mapping[str, Any]) -> Any:
    from expectations import build_data_docs, run_mart_checks, run_raw_checks
    from study import Study
    from warehouse import connect_read_only

    pages = Path(request["pages"])
    if "docs" in request:
        run_time = dt.datetime.fromisoformat(request["run_time"])
        return str(build_data_docs(pages, Path(request["docs"]), request["run_name"], run_time))
    if request["suite"] == "raw":
        lake_root = Path(request["lake"])
        results = run_raw_checks(read_plan(lake_root), lake_root, pages=pages, histories=request["histories"])
    else:
        with connect_read_only(Path(request["database"])) as connection:
            study = Study.model_validate(request["study"])
            results = run_mart_checks(connection, study, pages=pages, published_rows=request["published_rows"])
    return [asdict(result) for result in results]


def main() -> None:
    """Import Great Expectations and answer."""
    fewer_collections()
    from expectations.great import ExpectationContext

    ExpectationContext()  # imports and sets up what every suite needs
    serve(_handle)


if __name__ == "__main__":
    main()
