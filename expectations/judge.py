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
from warehouse.side_process import SideProcess, SideProcessError

if TYPE_CHECKING:
    from study import Study


ROOM = "expectations"


class Judge:
    """Handle of the judging in a second process."""

    def __init__(self, process: SideProcess) -> None:
        """Ask this process, which must serve `ROOM` with `handle`."""
        self._process = process
        self._begun: tuple[Mapping[str, Any], int] | None = None
        self._docs: int | None = None

    def lake(
        self,
        lake_root: Path,
        pages: Path,
        histories: Sequence[Mapping[str, Any]] = (),
        memory_limit: str | None = None,
    ) -> list[CheckResult]:
        """Judge the lake by its plan.json, as `run_raw_checks`; raises ExpectationsError when that can't be done."""
        request = {"suite": "raw", "lake": str(lake_root), "pages": str(pages), "memory_limit": memory_limit}
        return _results(self._wait(self._ask({**request, "histories": [dict(history) for history in histories]})))

    def begin_marts(
        self,
        database: Path,
        study: Study,
        pages: Path,
        published_rows: Mapping[str, int] | None,
        memory_limit: str | None = None,
    ) -> None:
        """Begin to judge the marts of a closed build file, as `run_mart_checks`, and return at once.

        `marts` with the same arguments gives the results. Nobody may write to the file until then.
        """
        request = _marts_request(database, study, pages, published_rows, memory_limit)
        self._begun = (request, self._ask(request))

    def marts(
        self,
        database: Path,
        study: Study,
        pages: Path,
        published_rows: Mapping[str, int] | None,
        memory_limit: str | None = None,
    ) -> list[CheckResult]:
        """Judge the marts of a closed build file, as `run_mart_checks`; raises ExpectationsError likewise."""
        request = _marts_request(database, study, pages, published_rows, memory_limit)
        begun, self._begun = self._begun, None
        return _results(self._wait(begun[1] if begun is not None and begun[0] == request else self._ask(request)))

    def begin_data_docs(self, pages: Path, folder: Path, run_name: str, run_time: dt.datetime) -> None:
        """Begin to write the Data Docs, as `build_data_docs`, and return at once."""
        self._docs = self._ask(
            {"docs": str(folder), "pages": str(pages), "run_name": run_name, "run_time": run_time.isoformat()}
        )

    def finish_data_docs(self) -> None:
        """Wait until the Data Docs that were begun are there; raises ExpectationsError when they could not be made."""
        number, self._docs = self._docs, None
        if number is not None:
            self._wait(number)

    def _ask(self, request: Mapping[str, Any]) -> int:
        with _told():
            return self._process.ask(ROOM, request)

    def _wait(self, number: int) -> Any:
        with _told():
            return self._process.answer(number)


def _results(answer: Sequence[Mapping[str, Any]]) -> list[CheckResult]:
    return [CheckResult(**result) for result in answer]


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except SideProcessError as error:
        raise ExpectationsError(f"Great Expectations could not judge: {error}") from None


def _marts_request(
    database: Path, study: Study, pages: Path, published_rows: Mapping[str, int] | None, memory_limit: str | None
) -> Mapping[str, Any]:
    rows = dict(published_rows) if published_rows is not None else None
    request = {"suite": "marts", "database": str(database), "study": study.as_dbt_variable(), "pages": str(pages)}
    return {**request, "published_rows": rows, "memory_limit": memory_limit}


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


def handle(request: Mapping[str, Any]) -> Any:
    """Answer a request of `Judge`, in the process that judges."""
    from expectations import build_data_docs, run_mart_checks, run_raw_checks
    from study import Study
    from warehouse import connect_read_only

    pages = Path(request["pages"])
    if "docs" in request:
        run_time = dt.datetime.fromisoformat(request["run_time"])
        return str(build_data_docs(pages, Path(request["docs"]), request["run_name"], run_time))
    if request["suite"] == "raw":
        lake_root = Path(request["lake"])
        results = run_raw_checks(
            read_plan(lake_root),
            lake_root,
            pages=pages,
            histories=request["histories"],
            memory_limit=request["memory_limit"],
        )
    else:
        with connect_read_only(Path(request["database"]), request["memory_limit"]) as connection:
            study = Study.model_validate(request["study"])
            results = run_mart_checks(connection, study, pages=pages, published_rows=request["published_rows"])
    return [asdict(result) for result in results]
