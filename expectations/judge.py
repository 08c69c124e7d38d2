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


@dataclass(frozen=True)
class MartsToJudge:
    """What the suite on the marts is asked of; the arguments of `run_mart_checks`.

    Attributes:
        database: the closed build file.
        study: the study of the night.
        pages: folder for the pages of the Data Docs.
        published_rows: rows of each published table of the last night; None where there is none.
        memory_limit: what DuckDB may take.
    """

    database: Path
    study: Study
    pages: Path
    published_rows: Mapping[str, int] | None
    memory_limit: str | None = None

    def request(self) -> Mapping[str, Any]:
        """The request as it goes to the second process."""
        return {
            "suite": "marts",
            "database": str(self.database),
            "study": self.study.as_dbt_variable(),
            "pages": str(self.pages),
            "published_rows": None if self.published_rows is None else dict(self.published_rows),
            "memory_limit": self.memory_limit,
        }


class Judge:
    """Handle of the judging in a second process."""

    def __init__(self, process: SideProcess) -> None:
        """Ask this process, which must serve `ROOM` with `handle`."""
        self._process = process
        self._begun: tuple[MartsToJudge, int] | None = None
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

    def begin_marts(self, marts: MartsToJudge) -> None:
        """Begin to judge the marts of a closed build file, as `run_mart_checks`, and return at once.

        `marts` asked for the same gives the results. Nobody may write to the file until then.
        """
        self._begun = (marts, self._ask(marts.request()))

    def marts(self, marts: MartsToJudge) -> list[CheckResult]:
        """Judge the marts of a closed build file, as `run_mart_checks`; raises ExpectationsError likewise."""
        begun, self._begun = self._begun, None
        number = begun[1] if begun is not None and begun[0] == marts else self._ask(marts.request())
        return _results(self._wait(number))

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


@dataclass(frozen=True)
class _PlannedFiles:
    files: tuple[str, ...]


@dataclass(frozen=True)
class _Plan:
    """`lake/plan.json` as the raw suite reads it."""

    feeds: Mapping[str, _PlannedFiles]
    ledger: tuple[str, ...]
    newest_extract: str | None


def read_plan(lake_root: Path) -> _Plan:
    """Return the plan that ingestion wrote."""
    content = json.loads((lake_root / "plan.json").read_text(encoding="utf-8"))
    feeds = {name: _PlannedFiles(tuple(feed["files"])) for name, feed in content["feeds"].items()}
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
