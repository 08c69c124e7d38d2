"""What stands behind a number: the query, the patients, and for an outcome the source rows that decided it.

Numbers register their evidence while the tables are laid out; afterwards all patient lists are fetched together, one
pass over each mart, whatever the number of lists. Lists are cut at a stated length, so that a cohort of a million
patients still gives a page that a browser can open; the query beside the list gives the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import compress, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from analysis_assets.report import queries

if TYPE_CHECKING:
    import duckdb

# Patients listed per number; the count and the query are always complete.
LISTED_PATIENTS: Final = 200
# Patients looked at for the lists before the counts are left to the database; smaller cohorts take one pass for both.
SCANNED_PATIENTS: Final = 20_000
_EARLY_PATIENTS: Final = 2 * SCANNED_PATIENTS
# Conditions in one pass: keeps a single statement readable for the database.
_SETS_PER_PASS: Final = 150


@dataclass(frozen=True)
class PatientQuery:
    """Patients that a number counts.

    Attributes:
        source: Mart with one row per patient within `within` (key of `queries.PATIENT_SOURCES`).
        within: Condition that many numbers share, such as the endpoint.
        condition: What singles out the patients of this number; empty for all of them.
    """

    source: str
    within: str
    condition: str = ""

    @property
    def sql(self) -> str:
        """The query as an analyst would type it."""
        return queries.patients_of(self.source, " and ".join(c for c in (self.within, self.condition) if c) or "true")


@dataclass(frozen=True)
class Evidence:
    """Everything that one number opens.

    Attributes:
        title: What the number is, in words.
        sql: Query that reads the number from its table.
        patients: Patients behind it; None where the number counts no patients.
        trace: Whose source rows to show for them: `outcome:<endpoint>` or `adverse_event:<phase>|<term>`.
    """

    title: str
    sql: str
    patients: PatientQuery | None = None
    trace: str = ""


@dataclass
class EvidenceBook:
    """All evidence of a report; equal evidence is kept once."""

    shows_patients: bool = True
    items: dict[Evidence, int] = field(default_factory=dict)

    def add(self, evidence: Evidence) -> int:
        """Register evidence and return its number."""
        if not self.shows_patients:
            evidence = Evidence(evidence.title, evidence.sql)
        return self.items.setdefault(evidence, len(self.items))

    def resolve(self, connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        """Fetch the patient lists and source rows; returns plain lists and dicts for JSON.

        Keys: `patients` (keys, other lists refer to them by position), `sets` (`n`, `of` and
        query `q` of each list), `items` (`t` title, `q` query, `s` position of the list, `r` trace), `traces`, `files`.
        """
        sets = _fetch_sets(connection, [e.patients for e in self.items if e.patients is not None])
        keys = sorted({key for _, listed in sets.values() for key in listed})
        position = {key: i for i, key in enumerate(keys)}
        order = {query: i for i, query in enumerate(sets)}
        traced: dict[str, set[str]] = {}
        for evidence in self.items:
            if evidence.trace and evidence.patients is not None:
                traced.setdefault(evidence.trace, set()).update(sets[evidence.patients][1])
        files = _Files()
        return {
            "patients": keys,
            "sets": [
                {"n": n, "of": [position[key] for key in listed], "q": query.sql} for query, (n, listed) in sets.items()
            ],
            "items": [_item(evidence, order) for evidence in self.items],
            "traces": {
                trace: _trace(connection, trace, sorted(wanted), position, files) for trace, wanted in traced.items()
            },
            "files": files.names,
        }


def _item(evidence: Evidence, order: Mapping[PatientQuery, int]) -> dict[str, Any]:
    item: dict[str, Any] = {"t": evidence.title, "q": evidence.sql}
    if evidence.patients is not None:
        item["s"] = order[evidence.patients]
    if evidence.trace:
        item["r"] = evidence.trace
    return item


def _fetch_sets(
    connection: duckdb.DuckDBPyConnection, wanted: list[PatientQuery]
) -> dict[PatientQuery, tuple[int, list[str]]]:
    """Number of patients and the first keys of every query: one pass per mart and shared condition."""
    unique = list(dict.fromkeys(wanted))
    shared: dict[tuple[str, str], list[PatientQuery]] = {}
    for query in unique:
        shared.setdefault((query.source, query.within), []).append(query)
    found: dict[PatientQuery, tuple[int, list[str]]] = {}
    early = connection.execute(queries.PATIENT_AT, [_EARLY_PATIENTS]).fetchone() if shared else None
    for (source, within), own in shared.items():
        for start in range(0, len(own), _SETS_PER_PASS):
            part = own[start : start + _SETS_PER_PASS]
            found |= _one_pass(connection, source, within, part, str(early[0]) if early else None)
    return {query: found[query] for query in unique}


def _one_pass(
    connection: duckdb.DuckDBPyConnection, source: str, within: str, own: list[PatientQuery], early: str | None
) -> dict[PatientQuery, tuple[int, list[str]]]:
    """Of each query. `early` is a key behind which few passes have to look: tables lie in the order of keys."""
    conditions = [query.condition for query in own]
    rows: list[tuple[object, ...]] = []
    if early is not None:
        bounded = queries.patient_flags(source, within, conditions, SCANNED_PATIENTS, up_to_key=True)
        rows = connection.execute(bounded, [early]).fetchall()
    if len(rows) < SCANNED_PATIENTS:
        rows = connection.execute(queries.patient_flags(source, within, conditions, SCANNED_PATIENTS)).fetchall()
    keys = [str(row[0]) for row in rows]
    hits = [compress(keys, map(itemgetter(place), rows)) for place in range(1, len(own) + 1)]  # as far as asked for
    if len(rows) < SCANNED_PATIENTS:
        everyone = [list(hit) for hit in hits]
        return {query: (len(hit), hit[:LISTED_PATIENTS]) for query, hit in zip(own, everyone, strict=True)}
    counts = connection.execute(queries.patient_counts(source, within, conditions)).fetchall()[0]
    found: dict[PatientQuery, tuple[int, list[str]]] = {}
    for query, hit, n in zip(own, hits, counts, strict=True):
        listed = list(islice(hit, LISTED_PATIENTS))
        if len(listed) < min(int(n), LISTED_PATIENTS):
            limited = f"{query.sql} limit {LISTED_PATIENTS}"
            listed = [str(row[0]) for row in connection.execute(limited).fetchall()]
        found[query] = (int(n), listed)
    return found


class _Files:
    """Names of extract files, kept once."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._position: dict[str, int] = {}

    def position(self, name: str) -> int:
        if name not in self._position:
            self._position[name] = len(self.names)
            self.names.append(name)
        return self._position[name]


def _trace(
    connection: duckdb.DuckDBPyConnection,
    trace: str,
    wanted: list[str],
    position: Mapping[str, int],
    files: _Files,
) -> dict[str, list[Any]]:
    kind, _, subject = trace.partition(":")
    if kind == "outcome":
        rows = connection.execute(queries.OUTCOME_TRACE, [subject, wanted]).fetchall()
    else:
        phase, _, term = subject.partition("|")
        rows = connection.execute(queries.ADVERSE_EVENT_TRACE, [phase, term, wanted]).fetchall()
    return {str(position[key]): [said, _source_rows(evidence, files)] for key, said, evidence in rows}


def _source_rows(evidence: list[dict[str, Any]] | None, files: _Files) -> list[list[Any]]:
    return [[files.position(f"{e['feed']} · {e['extract']} · {e['file']}"), e["row"]] for e in evidence or []]
