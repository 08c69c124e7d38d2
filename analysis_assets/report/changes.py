"""What changed since the last published night: headline numbers, and the patients and source rows that moved them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from analysis_assets.report import queries
from analysis_assets.report.sections import endpoint_name
from analysis_assets.tables import number_text

if TYPE_CHECKING:
    from analysis_assets.report.context import Record, ReportContext

LISTED_MOVES: Final = 50
_NEEDED: Final = frozenset(["marts.outcomes", "analysis.response_rates", "analysis.km_summary"])


@dataclass(frozen=True)
class Move:
    """One patient's outcome before and now, with the source rows that decide it now."""

    patient_key: str
    before: str
    now: str
    source_rows: tuple[str, ...]


@dataclass(frozen=True)
class HeadlineChange:
    """One headline number before and now, and who moved it."""

    label: str
    before: str
    now: str
    moves: tuple[Move, ...] = ()
    n_moved: int = 0

    @property
    def changed(self) -> bool:
        """Whether the number, or any patient's part in it, is another one."""
        return self.before != self.now or self.n_moved > 0


@dataclass
class Changes:
    """All changes; `remark` says why there is nothing to compare."""

    remark: str = ""
    previous_run: str = ""
    headlines: list[HeadlineChange] = field(default_factory=list)

    @property
    def changed(self) -> list[HeadlineChange]:
        """Headlines that moved."""
        return [headline for headline in self.headlines if headline.changed]


def read_changes(context: ReportContext) -> Changes:
    """Compare this warehouse with the last published one."""
    if context.previous is None:
        return Changes("This is the first published night: there is nothing to compare with.")
    if context.guard.active:
        return Changes("Differences between nights can give small counts away: left out while small counts are hidden.")
    with _attached(context) as tables:
        if not tables >= _NEEDED:
            return Changes("The last published warehouse lacks the tables to compare with.")
        run = ""
        if "quality.build" in tables:
            build = next(iter(context.rows(queries.PREVIOUS_BUILD)), {})
            run = f"{build.get('finished') or build.get('started') or ''}"[:16]
        moved = _moves(context)
        headlines = [*_cohort(context, tables), *_rates(context, moved), *_medians(context, moved)]
    return Changes(previous_run=run, headlines=headlines)


@contextmanager
def _attached(context: ReportContext) -> Iterator[set[str]]:
    path = str(context.previous).replace("'", "''")
    context.connection.execute(queries.ATTACH_PREVIOUS.format(path=path)).fetchall()
    try:
        yield {str(row[0]) for row in context.connection.execute(queries.PREVIOUS_TABLES).fetchall()}
    finally:
        context.connection.execute(queries.DETACH_PREVIOUS).fetchall()


def _moves(context: ReportContext) -> dict[str, tuple[int, list[Move]]]:
    moved: dict[str, tuple[int, list[Move]]] = {}
    for endpoint, key, before, now, n, evidence in context.connection.execute(
        queries.MOVED_OUTCOMES, [LISTED_MOVES]
    ).fetchall():
        rows = tuple(f"{e['feed']} · {e['extract']} · {e['file']} row {e['row']}" for e in evidence or [])
        move = Move(key, before or "not in the analysis", now or "no longer in the analysis", rows)
        moved.setdefault(endpoint, (n, []))[1].append(move)
    return moved


def _cohort(context: ReportContext, tables: set[str]) -> Iterator[HeadlineChange]:
    if "marts.patients" not in tables:
        return
    sizes = next(iter(context.rows(queries.COHORT_SIZES)), {})
    moved = context.rows(queries.MOVED_PATIENTS, [LISTED_MOVES])
    moves = tuple(Move(r["patient_key"], r["said_before"], r["said_now"], ()) for r in moved)
    n = int(moved[0]["n_moved"]) if moved else 0
    yield HeadlineChange("Patients in the analysis", str(sizes.get("n_before")), str(sizes.get("n_now")), moves, n)


def _rates(context: ReportContext, moved: dict[str, tuple[int, list[Move]]]) -> Iterator[HeadlineChange]:
    for record in context.rows(queries.CHANGED_HEADLINES):
        n, moves = moved.get(str(record["endpoint"]), (0, []))
        before, now = _share(record, "before"), _share(record, "now")
        yield HeadlineChange(endpoint_name(str(record["endpoint"])), before, now, tuple(moves), n)


def _share(record: Record, when: str) -> str:
    n, total = record[f"n_{when}"], record[f"total_{when}"]
    return "–" if n is None or not total else f"{int(n)}/{int(total)} ({number_text(100 * n / total, 1)}%)"


def _medians(context: ReportContext, moved: dict[str, tuple[int, list[Move]]]) -> Iterator[HeadlineChange]:
    seen: set[str] = set()
    for record in context.rows(queries.CHANGED_MEDIANS):
        endpoint = str(record["endpoint"])
        if endpoint in seen:
            continue
        seen.add(endpoint)
        n, moves = moved.get(endpoint, (0, []))
        texts = []
        for when in ("before", "now"):
            events = record[f"events_{when}"]
            median = "not reached" if record[when] is None else f"{number_text(record[when], 1)} months"
            texts.append("–" if events is None and record[when] is None else f"{median}, {_events(events)}")
        yield HeadlineChange(f"{endpoint_name(endpoint)}, median", texts[0], texts[1], tuple(moves), n)


def _events(events: object) -> str:
    return "events not counted" if events is None else f"{int(events)} events"  # type: ignore[call-overload]
