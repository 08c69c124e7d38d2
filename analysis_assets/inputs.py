"""The only reader of the marts: included patients, aggregated by DuckDB before anything reaches Python.

Patients and outcomes are joined once, on first need, into temporary tables of the connection: each included patient
gets a small number and the number of its covariate pattern, each outcome those of its patient. What is asked afterwards
groups small whole numbers: joining 14 million outcomes to a million patients by keys of 64 characters for each of some
thirty questions took longer than everything else. The temporary tables show the marts as they were at the first
question; ask a new ``StudyInputs`` after the marts have changed.

What comes back is distinct patterns with a frequency weight, so a million patients arrive as a few thousand rows.
Column names in the SQL come from the validated study file or from this module, are checked against the table and
quoted; values are bound as parameters.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import duckdb
import numpy as np

from analysis_assets.protocols import (
    Binary,
    BoolArray,
    Covariate,
    FloatArray,
    LevelArray,
    NotComputableError,
    SwitchTimes,
    TimeToEvent,
)

if TYPE_CHECKING:
    import pandas as pd

    from study import Study
    from study.models import Covariate as StudyCovariate

# Columns of marts.patients that become known only after the infusion.
COLUMNS_AFTER_TIME_ZERO: Final = frozenset(
    {
        "complete_remission",
        "mrd_negative",
        "bridged_to_hsct",
        "crs_grade",
        "severe_crs",
        "hematologic_toxicity_grade",
        "neurotoxicity",
        "infection",
        "icu_admission",
        "glucocorticoids",
        "tocilizumab",
        "subsequent_therapy",
    }
)

# Where the day stands on which a covariate after time zero turned to its other level: the endpoint of marts.outcomes.
SWITCH_ENDPOINTS: Final[Mapping[str, str]] = {
    "bridged_to_hsct": "HSCT_BRIDGE",
    "complete_remission": "TIME_TO_CR",
    "mrd_negative": "TIME_TO_MRD_NEGATIVE",
}

# These count from the first complete remission, all others from the infusion.
ENDPOINTS_FROM_REMISSION: Final = ("RFS", "DOR")
COMPETING_ENDPOINTS: Final = ("RELAPSE", "NON_RELAPSE_MORTALITY")

# Beyond this many patients the value-by-value test of normality gives way to one from moments (Shapiro-Wilk's
# approximation was fitted up to n = 5000, Royston 1995, Algorithm AS R94).
SHAPIRO_WILK_LIMIT: Final = 5000

# A recorded decimal such as 0.1 has no exact binary form; two values this close were written alike.
SAME: Final = 1e-9


class MartsError(Exception):
    """The warehouse lacks a table or column of the contract; the text names it and what to do."""


@dataclass(frozen=True)
class NumericSummary:
    """One numeric column over the included patients; None where it can't be had from so few values.

    Attributes:
        n: Patients with a value.
        decimals: Decimals (0 to 2) that the values are recorded with.
        exact: Whether none of the values has more than those decimals.
        skewness: Adjusted Fisher-Pearson skewness.
        excess_kurtosis: Population kurtosis less 3.
    """

    n: int
    median: float | None
    minimum: float | None
    maximum: float | None
    mean: float | None
    sd: float | None
    skewness: float | None
    excess_kurtosis: float | None
    decimals: int
    exact: bool = True


@dataclass(frozen=True)
class LevelCounts:
    """Patients at the reference level, at the other level and without a value."""

    reference: int
    other: int
    missing: int

    @property
    def known(self) -> int:
        """Patients with a value."""
        return self.reference + self.other


@dataclass(frozen=True)
class Distribution:
    """Distinct values of a column, ascending, with the number of patients that have each."""

    value: FloatArray
    weight: FloatArray


@dataclass(frozen=True)
class _Cohort:
    """Temporary tables of the included patients, and where each covariate stands in them.

    Attributes:
        patients: ``id`` (0, 1, ...), ``patient_key``, ``infusion_date``, ``transplanted``, ``pattern``.
        patterns: ``pattern`` and its level codes ``x0``, ``x1``, ...; one row per combination that occurs.
        columns: Covariate to its column of ``patterns``.
    """

    patients: str
    patterns: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class _Outcomes:
    """Temporary table of the outcomes of the included patients, one row per patient and endpoint.

    Attributes:
        table: ``id`` and ``pattern`` of the patient, ``endpoint`` (position in ``endpoints``), ``time_days``, ``cause``
            (1 the endpoint's event, 0 censored, 2 anything else), ``achieved``, ``assessed`` (NULL unless binary),
            ``day`` (days from the infusion to the event, also where the mart gives its date alone).
        endpoints: Endpoints of the mart; positions count from 1.
    """

    table: str
    endpoints: tuple[str, ...]

    def position(self, endpoint: str) -> int:
        """Position of the endpoint; 0, which no row has, for one that the mart doesn't hold."""
        return self.endpoints.index(endpoint) + 1 if endpoint in self.endpoints else 0


@dataclass(frozen=True)
class EventCount:
    """Patients whose worst grade of a term in a phase is ``grade`` (None: recorded without a grade)."""

    phase: str
    parent_term: str | None
    term: str
    grade: int | None
    n: int


@dataclass(frozen=True)
class CrsGrades:
    """Patients by CRS grade under one rule set (None: can't be told), and how many agree with the recorded grade."""

    by_grade: Mapping[int | None, int]
    agreeing: int
    compared: int


@dataclass(frozen=True)
class ImputedTimes:
    """Follow-up for an endpoint of which some times rest on an imputed date; distinct patterns with a weight.

    Attributes:
        imputed: Patients whose time rests on an imputed date.
        days_earlier: Days by which one of them may have ended earlier, at most.
        days_later: Days by which one of them may have ended later, at most.
        time_days: Time as counted, shape (patterns,).
        shortest_days: The shortest that the source allows.
        longest_days: The longest that the source allows.
    """

    endpoint: str
    imputed: int
    days_earlier: int
    days_later: int
    time_days: FloatArray
    shortest_days: FloatArray
    longest_days: FloatArray
    event: BoolArray
    weight: FloatArray


@dataclass(frozen=True)
class FlowStep:
    """One step of the cohort flow: patients that left at it, and those that remain."""

    step: int
    criterion: str
    n_excluded: int
    n_remaining: int


def quoted(name: str) -> str:
    """Return ``name`` as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class StudyInputs:
    """The marts of one warehouse as the analyses of one study see them (fulfils ``protocols.Inputs``)."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, study: Study) -> None:
        self._connection = connection
        self._study = study
        self._columns: dict[str, dict[str, str]] = {}
        self._cohort_tables: _Cohort | None = None
        self._outcome_tables: _Outcomes | None = None
        self._assessments: dict[str, tuple[int, int]] | None = None
        self._distributions: dict[tuple[str, float], Distribution] = {}

    # ---- the study's covariates -------------------------------------------------------------------------------------

    def covariate(self, name: str) -> Covariate:
        """Return the covariate of the study file called ``name``.

        Raises:
            NotComputableError: if the study defines no such covariate.
        """
        chosen = self._study_covariate(name)
        return Covariate(
            name=chosen.name,
            label=chosen.label,
            levels=(chosen.levels[0], chosen.levels[1]),
            after_time_zero=chosen.column in COLUMNS_AFTER_TIME_ZERO,
        )

    def _study_covariate(self, name: str) -> StudyCovariate:
        for candidate in self._study.covariates:
            if candidate.name == name:
                return candidate
        known = [candidate.name for candidate in self._study.covariates]
        nearest = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise NotComputableError(f"the study file defines no covariate {name!r}{hint}")

    def _level(self, name: str) -> tuple[str, list[object]]:
        """SQL for the level code of a covariate over alias ``p``, and its parameters."""
        covariate = self._study_covariate(name)
        column = "p." + self._column("patients", covariate.column)
        parameters: list[object] = []
        if covariate.at_least is not None:
            rule, parameters = f"{column} >= ?", [covariate.at_least]
        elif covariate.equals is not None:
            rule, parameters = f"cast({column} as varchar) = ?", [covariate.equals]
        else:
            rule = f"cast({column} as boolean)"
        return f"cast(case when {column} is null then -1 when {rule} then 1 else 0 end as tinyint)", parameters

    # ---- the one join of patients and outcomes ----------------------------------------------------------------------

    @property
    def _cohort(self) -> _Cohort:
        if self._cohort_tables is None:
            self._cohort_tables = self._number_patients()
        return self._cohort_tables

    @property
    def _outcomes(self) -> _Outcomes:
        if self._outcome_tables is None:
            self._outcome_tables = self._join_outcomes()
        return self._outcome_tables

    def _temporary(self, name: str) -> str:
        """Name of a temporary table of this reader; another one on the same connection has its own."""
        return quoted(f"{name}_{id(self):x}")

    def _number_patients(self) -> _Cohort:
        """Number the included patients and their covariate patterns.

        A covariate whose column the marts lack is left out here; whoever asks for it gets the error.
        """
        infused = self._column("patients", "infusion_date")
        known = self._table("patients")
        names = [covariate.name for covariate in self._study.covariates if covariate.column in known]
        rules: list[str] = []
        parameters: list[object] = []
        for position, name in enumerate(names):
            rule, values = self._level(name)
            rules.append(f"{rule} as x{position}")
            parameters.extend(values)
        # A study without covariates has one pattern.
        columns = [f"x{position}" for position in range(len(names))] or ["x"]
        coded, patterns, patients = (self._temporary(name) for name in ("coded", "patterns", "included"))
        self._connection.execute(
            f"""
            create or replace temporary table {coded} as
            select p.patient_key, p.{infused}, {self._had_transplant()} as transplanted,
                {", ".join(rules) or "0 as x"}
            from marts.patients as p
            where p.included
            """,  # noqa: S608
            parameters,
        )
        listed = ", ".join(columns)
        self._connection.execute(
            f"""
            create or replace temporary table {patterns} as
            select cast(row_number() over (order by {listed}) - 1 as integer) as pattern, *
            from (select distinct {listed} from {coded})
            """  # noqa: S608
        )
        self._connection.execute(
            f"""
            create or replace temporary table {patients} as
            select cast(coded.rowid as integer) as id, patient_key, infusion_date, transplanted, pattern
            from {coded} as coded
            join {patterns} using ({listed})
            """  # noqa: S608
        )
        self._connection.execute(f"drop table {coded}")
        return _Cohort(patients, patterns, dict(zip(names, columns, strict=False)))

    def _join_outcomes(self) -> _Outcomes:
        """Join every outcome to its patient: the one time that the long keys are compared."""
        name = self._column("outcomes", "endpoint")
        rows = self._rows(
            f"select distinct {name} from marts.outcomes where {name} is not null order by {name}"  # noqa: S608
        )
        endpoints = tuple(str(row[0]) for row in rows)
        table = self._temporary("outcomes")
        self._connection.execute(
            f"""
            create or replace temporary table {table} as
            select
                patients.id,
                patients.pattern,
                cast(list_position(?, o.endpoint) as smallint) as endpoint,
                o.time_days,
                cast(
                    case
                        when o.event then 1
                        when coalesce(o.event_kind, 'censored') not like 'censored%' then 2
                        else 0
                    end as tinyint
                ) as cause,
                o.achieved,
                case
                    when o.kind = 'binary'
                        then o.achieved is not null and coalesce(o.event_kind, '') <> 'not_evaluable'
                end as assessed,
                coalesce(o.time_days, date_diff('day', patients.infusion_date, o.event_date)) as day
            from marts.outcomes as o
            join {self._cohort.patients} as patients using (patient_key)
            """,  # noqa: S608
            [list(endpoints)],
        )
        return _Outcomes(table, endpoints)

    def _coded(self, names: Sequence[str]) -> list[str]:
        """``<column of the patterns> as <name's position>`` for each covariate."""
        for name in names:
            self._column("patients", self._study_covariate(name).column)
        return [f"{self._cohort.columns[name]} as level{position}" for position, name in enumerate(names)]

    # ---- samples for the kernels ------------------------------------------------------------------------------------

    def time_to_event(self, endpoint: str, covariates: Sequence[str] = ()) -> TimeToEvent:
        """Return follow-up for ``endpoint``, grouped by time, cause and the named covariates (missing kept as -1).

        Raises:
            NotComputableError: if no included patient has follow-up for the endpoint.
        """
        cause = "cause" if endpoint in COMPETING_ENDPOINTS else "if(cause = 1, 1, 0)"
        columns = self._grouped(
            ["cast(time_days as double) as time_days", f"cast({cause} as tinyint) as cause"],
            covariates,
            "time_days is not null",
            endpoint,
        )
        if columns["weight"].size == 0:
            raise NotComputableError(f"no included patient has follow-up for {endpoint} in marts.outcomes")
        return TimeToEvent(
            time_days=columns["time_days"],
            cause=columns["cause"],
            levels=_named_levels(columns, covariates),
            weight=columns["weight"],
        )

    def binary(self, endpoint: str, covariates: Sequence[str] = ()) -> Binary:
        """Return the yes/no ``endpoint``, grouped by outcome and the named covariates (missing kept as -1).

        A patient who was never assessed counts as not achieved.

        Raises:
            NotComputableError: if the endpoint is unknown for every included patient.
        """
        self.require_known(endpoint)
        columns = self._grouped(["coalesce(achieved, false) as achieved"], covariates, "true", endpoint)
        return Binary(
            achieved=columns["achieved"].astype(np.bool_),
            levels=_named_levels(columns, covariates),
            weight=columns["weight"],
        )

    def counting_process(self, endpoint: str, covariate: str, adjust: Sequence[str] = ()) -> SwitchTimes:
        """Return follow-up for ``endpoint`` with the day on which ``covariate`` (``after_time_zero``) changed.

        Days count from the endpoint's own time zero: first complete remission for RFS and DOR, else the infusion. A
        change after the end of follow-up never came.

        Raises:
            NotComputableError: if there is no follow-up, or the marts hold no date for the covariate's change.
        """
        column = self._study_covariate(covariate).column
        if column not in SWITCH_ENDPOINTS:
            raise NotComputableError(f"the marts hold no date on which {covariate} changes")
        outcomes = self._outcomes
        origin = "coalesce(remission.time_days, 0)" if endpoint in ENDPOINTS_FROM_REMISSION else "0"
        switch = f"cast(greatest(turned.day - {origin}, 0) as double)"
        source = f"""
            (
                select o.pattern, o.time_days, o.cause,
                    case when turned.day is not null and {switch} <= o.time_days then {switch} end as switch_day
                from {outcomes.table} as o
                left join (
                    select id, day from {outcomes.table} where endpoint = ? and coalesce(achieved, cause = 1)
                ) as turned using (id)
                left join (
                    select id, time_days from {outcomes.table} where endpoint = ? and cause = 1
                ) as remission using (id)
                where o.endpoint = ? and o.time_days is not null
            )
        """  # noqa: S608 - names of temporary tables of this reader
        columns = self._weighted(
            source,
            ["cast(time_days as double) as time_days", "cause = 1 as event", "switch_day"],
            adjust,
            [outcomes.position(name) for name in (SWITCH_ENDPOINTS[column], "TIME_TO_CR", endpoint)],
        )
        if columns["weight"].size == 0:
            raise NotComputableError(f"no included patient has follow-up for {endpoint} in marts.outcomes")
        return SwitchTimes(
            time_days=columns["time_days"],
            event=columns["event"].astype(np.bool_),
            switch_day=columns["switch_day"],
            levels=_named_levels(columns, adjust),
            weight=columns["weight"],
        )

    def require_known(self, endpoint: str) -> None:
        """Raise ``NotComputableError`` unless the yes/no ``endpoint`` is known for at least one included patient."""
        known, _ = self._assessed(endpoint)
        if not known:
            raise NotComputableError(f"no included patient was assessed for {endpoint}")

    def not_evaluable(self, endpoint: str) -> int:
        """Return the included patients who were never assessed for the yes/no ``endpoint``."""
        return self._assessed(endpoint)[1]

    def _assessed(self, endpoint: str) -> tuple[int, int]:
        """Included patients with and without an assessment; the second count as not achieved."""
        if self._assessments is None:
            outcomes = self._outcomes
            rows = self._rows(
                f"""
                select endpoint, count(*) filter (assessed), count(*) filter (not assessed)
                from {outcomes.table}
                where assessed is not null
                group by endpoint
                """  # noqa: S608
            )
            self._assessments = {
                outcomes.endpoints[position - 1]: (int(with_one), int(without)) for position, with_one, without in rows
            }
        return self._assessments.get(endpoint, (0, 0))

    # ---- counts and summaries for the tables ------------------------------------------------------------------------

    def included(self) -> int:
        """Return the number of included patients."""
        return int(self._one("select count(*) from marts.patients as p where p.included")[0])

    def level_counts(self, names: Sequence[str]) -> dict[str, LevelCounts]:
        """Return the included patients at each level of each named covariate."""
        if not names:
            return {}
        columns = self._weighted(self._cohort.patients, [], names, [])
        weight = columns["weight"]
        return {
            name: LevelCounts(*(round(float(weight[codes == level].sum())) for level in (0, 1, -1)))
            for name, codes in _named_levels(columns, names).items()
        }

    def flag_counts(self, columns: Sequence[str]) -> dict[str, LevelCounts]:
        """Return the included patients with and without each yes/no column of marts.patients, in one pass.

        A text column counts as yes where it says anything but ``none`` or ``negative``.
        """
        parts: list[str] = []
        for column in columns:
            name = self._column("patients", column)
            value = f"cast({name} as boolean)"
            if self._type("patients", column) == "VARCHAR":
                value = f"lower(trim({name})) not in ('', 'none', 'negative')"
            parts.append(f"count(*) filter (not {value}), count(*) filter ({value}), count(*) filter ({name} is null)")
        row = self._one(f"select {', '.join(parts)} from marts.patients where included")  # noqa: S608
        return {name: LevelCounts(*(int(n) for n in row[3 * i : 3 * i + 3])) for i, name in enumerate(columns)}

    def category_counts(self, column: str) -> dict[str, int]:
        """Return the included patients by value of a text column, most frequent first; without those that have none."""
        name = self._column("patients", column)
        rows = self._rows(
            f"""
            select cast({name} as varchar) as value, count(*) as n
            from marts.patients
            where included and {name} is not null
            group by value
            order by n desc, value
            """  # noqa: S608
        )
        return {str(value): int(n) for value, n in rows}

    def numeric_summaries(self, units: Mapping[str, float]) -> dict[str, NumericSummary]:
        """Return n, median, range, mean, SD and shape of numeric columns of marts.patients.

        Args:
            units: Column to the unit that its values are given in (1e6 turns cells into millions of cells).
        """
        return {column: _numeric_summary(self.distribution(column, unit)) for column, unit in units.items()}

    def distribution(self, column: str, unit: float = 1.0) -> Distribution:
        """Return the distinct values of a numeric column of marts.patients, in ``unit``, with the patients of each."""
        key = (column, unit)
        if key not in self._distributions:
            measured = f"cast({self._column('patients', column)} as double) / {float(unit)!r}"
            fetched = self._fetch(
                f"""
                select {measured} as value, cast(count(*) as double) as weight
                from marts.patients
                where included and {measured} is not null
                group by value
                order by value
                """,  # noqa: S608
                [],
            )
            self._distributions[key] = Distribution(fetched["value"], fetched["weight"])
        return self._distributions[key]

    def range_counts(self, column: str, bounds: Sequence[tuple[float | None, float | None]]) -> list[int]:
        """Return the included patients with ``low <= column < high`` for each (low, high); None leaves a side open."""
        name = self._column("patients", column)
        parts: list[str] = []
        parameters: list[object] = []
        for low, high in bounds:
            conditions = [f"{name} is not null"]
            for sign, bound in ((">=", low), ("<", high)):
                if bound is not None:
                    conditions.append(f"{name} {sign} ?")
                    parameters.append(bound)
            parts.append(f"count(*) filter ({' and '.join(conditions)})")
        row = self._one(f"select {', '.join(parts)} from marts.patients where included", parameters)  # noqa: S608
        return [int(n) for n in row]

    def event_times(self, endpoint: str) -> Distribution:
        """Return the days from the infusion at which patients reached ``endpoint``, and how many at each.

        Raises:
            NotComputableError: if no included patient reached it.
        """
        outcomes = self._outcomes
        fetched = self._fetch(
            f"""
            select cast(time_days as double) as value, cast(count(*) as double) as weight
            from {outcomes.table}
            where endpoint = ? and cause = 1 and time_days is not null
            group by value
            order by value
            """,  # noqa: S608
            [outcomes.position(endpoint)],
        )
        if fetched["value"].size == 0:
            raise NotComputableError(f"no included patient has an event of {endpoint} in marts.outcomes")
        return Distribution(fetched["value"], fetched["weight"])

    def subgroup_counts(self, endpoint: str, factors: Sequence[str]) -> dict[str, dict[int, tuple[int, int]]]:
        """Return, per factor and level code, (responders, non-responders) of a yes/no endpoint, in one pass.

        Raises:
            NotComputableError: if the endpoint is unknown for every included patient.
        """
        sample = self.binary(endpoint, factors)

        def patients(codes: LevelArray, level: int, *, achieved: bool) -> int:
            return round(float(sample.weight[(codes == level) & (sample.achieved == achieved)].sum()))

        return {
            name: {
                level: (patients(codes, level, achieved=True), patients(codes, level, achieved=False))
                for level in (0, 1, -1)
            }
            for name, codes in sample.levels.items()
        }

    def transplanted(self) -> int:
        """Return the number of included patients with an allogeneic transplant after the infusion."""
        sql = f"select count(*) from marts.patients as p where p.included and {self._had_transplant()}"  # noqa: S608
        return int(self._one(sql)[0])

    def _had_transplant(self) -> str:
        """SQL over alias ``p``; marts without a transplant date know bridged patients only."""
        return (
            "p.hsct_date is not null" if self._type("patients", "hsct_date") else "coalesce(p.bridged_to_hsct, false)"
        )

    def adverse_event_counts(self) -> list[EventCount]:
        """Return the included patients by phase, parent term, term and worst grade.

        Events of the phase ``hsct`` count for transplanted patients only, who are the denominator of that phase.
        """
        # Rows count patients: the mart has one row per patient, phase and term.
        rows = self._rows(
            f"""
            select a.phase, a.parent_term, a.term, a.worst_grade, count(*) as n
            from marts.adverse_events as a
            join {self._cohort.patients} as patients using (patient_key)
            where a.phase <> 'hsct' or patients.transplanted
            group by all
            order by all
            """  # noqa: S608
        )
        return [
            EventCount(str(phase), None if not parent else str(parent), str(term), _integer(grade), int(n))
            for phase, parent, term, grade, n in rows
        ]

    def subsequent_therapy_counts(self) -> list[tuple[bool | None, bool | None, str | None, int]]:
        """Return (complete remission, bridged to HSCT, subsequent therapy, patients) for the included patients.

        Complete remission is None for those whose response was never assessed.
        """
        assessed = "response_evaluable" if self._type("patients", "response_evaluable") else "true"
        rows = self._rows(
            f"""
            select if({assessed}, complete_remission, null) as remission, bridged_to_hsct, subsequent_therapy,
                count(*) as n
            from marts.patients
            where included
            group by all
            order by all
            """  # noqa: S608
        )
        return [(row[0], row[1], row[2], int(row[3])) for row in rows]

    def crs_grade_counts(self) -> dict[str, CrsGrades]:
        """Return the included patients' CRS grades by rule set; empty where the marts don't grade side by side."""
        if not self._has_table("crs_grading"):
            return {}
        grades: dict[str, CrsGrades] = {}
        for rule_set in ("recorded", "lee2014", "astct2019"):
            column = self._column("crs_grading", f"{rule_set}_grade")
            rows = self._rows(
                f"""
                select {column} as grade, count(*), count(*) filter ({column} = recorded_grade),
                    count(*) filter ({column} is not null and recorded_grade is not null)
                from marts.crs_grading
                join {self._cohort.patients} as patients using (patient_key)
                group by grade
                order by grade
                """  # noqa: S608
            )
            if rows:
                by_grade = {_integer(grade): int(n) for grade, n, _, _ in rows}
                grades[rule_set] = CrsGrades(by_grade, sum(int(r[2]) for r in rows), sum(int(r[3]) for r in rows))
        return grades

    def imputed_times(self) -> list[ImputedTimes]:
        """Return follow-up for every endpoint of which a time rests on an imputed date, with the range it allows."""
        if not self._has_table("outcome_date_sensitivity"):
            return []
        endpoints = self._rows(
            """
            select endpoint, count(*), max(time_days - shortest_days), max(longest_days - time_days)
            from marts.outcome_date_sensitivity
            group by endpoint
            order by endpoint
            """
        )
        return [
            self._imputed_times(str(endpoint), int(n), int(earlier), int(later))
            for endpoint, n, earlier, later in endpoints
        ]

    def _imputed_times(self, endpoint: str, imputed: int, earlier: int, later: int) -> ImputedTimes:
        outcomes = self._outcomes
        columns = self._fetch(
            f"""
            select
                cast(o.time_days as double) as time_days,
                cast(coalesce(s.shortest_days, o.time_days) as double) as shortest_days,
                cast(coalesce(s.longest_days, o.time_days) as double) as longest_days,
                o.cause = 1 as event,
                cast(count(*) as double) as weight
            from {outcomes.table} as o
            left join (
                select patients.id, shortest_days, longest_days
                from marts.outcome_date_sensitivity
                join {self._cohort.patients} as patients using (patient_key)
                where endpoint = ?
            ) as s using (id)
            where o.endpoint = ? and o.time_days is not null
            group by all
            order by all
            """,  # noqa: S608
            [endpoint, outcomes.position(endpoint)],
        )
        return ImputedTimes(
            endpoint=endpoint,
            imputed=imputed,
            days_earlier=earlier,
            days_later=later,
            time_days=columns["time_days"],
            shortest_days=columns["shortest_days"],
            longest_days=columns["longest_days"],
            event=np.asarray(columns["event"], dtype=np.bool_),
            weight=columns["weight"],
        )

    def cohort_flow(self) -> list[FlowStep]:
        """Return the steps from all patients known to the included ones.

        The mart ``cohort_flow`` is read where dbt has built one, else the steps are counted from each patient's reason.
        """
        if self._has_table("cohort_flow"):
            rows = self._rows("select step, criterion, n_excluded, n_remaining from marts.cohort_flow order by step")
            return [FlowStep(int(a), str(b), int(c), int(d)) for a, b, c, d in rows]
        rows = self._rows(
            """
            select coalesce(exclusion_reason, 'no reason recorded') as reason, count(*) as n
            from marts.patients
            where not coalesce(included, false)
            group by reason
            order by n desc, reason
            """
        )
        remaining = int(self._one("select count(*) from marts.patients")[0])
        steps = [FlowStep(0, "patients known", 0, remaining)]
        for number, (reason, n) in enumerate(rows, start=1):
            remaining -= int(n)
            steps.append(FlowStep(number, str(reason), int(n), remaining))
        return steps

    def swimmer_lanes(self, limit: int) -> pd.DataFrame:
        """Return one row per included patient for the swimmer plot, at most ``limit``, longest follow-up first.

        Columns: ``patient_key``, ``follow_up_months``, ``died`` and the months from the infusion to ``remission``,
        ``mrd_negative``, ``hsct`` (the first allogeneic transplant after it, bridging or later), ``relapse``,
        ``treatment_failure`` (NaN where it never came). Which patients are left out beyond the limit is decided by the
        keyed hash, so the sample does not depend on any clinical value.
        """
        transplants = (
            "min(date_diff('day', p.infusion_date, p.hsct_date))"
            if self._type("patients", "hsct_date")
            else """
                    min(coalesce(o.time_days, date_diff('day', p.infusion_date, o.event_date)))
                        filter (o.endpoint = 'HSCT_BRIDGE' and o.achieved)"""
        )
        return self._connection.execute(
            f"""
            with shown as (
                select * from marts.patients where included order by patient_key limit ?
            ),
            lanes as (
                select
                    p.patient_key,
                    max(o.time_days) filter (o.endpoint = 'OS') as follow_up_days,
                    coalesce(bool_or(o.event) filter (o.endpoint = 'OS'), false) as died,
                    min(o.time_days) filter (o.endpoint = 'TIME_TO_CR' and o.event) as remission,
                    min(o.time_days) filter (o.endpoint = 'TIME_TO_MRD_NEGATIVE' and o.event) as mrd_negative,
                    {transplants} as hsct,
                    min(date_diff('day', p.infusion_date, o.event_date))
                        filter (o.event and o.event_kind = 'relapse') as relapse,
                    min(o.time_days) filter (o.event and o.event_kind = 'treatment_failure') as treatment_failure
                from shown as p
                left join marts.outcomes as o using (patient_key)
                group by p.patient_key
            )
            select
                patient_key,
                coalesce(follow_up_days, 0) / (365.25 / 12) as follow_up_months,
                died,
                remission / (365.25 / 12) as remission,
                mrd_negative / (365.25 / 12) as mrd_negative,
                hsct / (365.25 / 12) as hsct,
                relapse / (365.25 / 12) as relapse,
                treatment_failure / (365.25 / 12) as treatment_failure
            from lanes
            order by follow_up_months desc, patient_key
            """,  # noqa: S608 - one of two texts above
            [limit],
        ).df()

    # ---- how the warehouse is read ----------------------------------------------------------------------------------

    def _grouped(
        self, selected: Sequence[str], covariates: Sequence[str], condition: str, endpoint: str
    ) -> dict[str, Any]:
        """Patients of one endpoint by the selected columns and the levels of the covariates."""
        outcomes = self._outcomes
        source = f"(select * from {outcomes.table} where endpoint = ? and {condition})"  # noqa: S608
        return self._weighted(source, selected, covariates, [outcomes.position(endpoint)])

    def _weighted(
        self, source: str, selected: Sequence[str], covariates: Sequence[str], parameters: Sequence[object]
    ) -> dict[str, Any]:
        """Rows of a source that has ``pattern``, counted; patterns are taken apart only when few are left."""
        listed = "".join(f"{column}, " for column in selected)
        names = "".join(f"{column.rsplit(' as ', 1)[-1]}, " for column in selected)
        levels = "".join(f"{column}, " for column in self._coded(covariates))
        return self._fetch(
            f"""
            with counted as (select {listed} pattern, count(*) as n from {source} as source group by all)
            select {names} {levels} cast(sum(n) as double) as weight
            from counted
            join {self._cohort.patterns} using (pattern)
            group by all
            order by all
            """,  # noqa: S608 - identifiers are checked and quoted, values are bound
            parameters,
        )

    def _fetch(self, sql: str, parameters: Sequence[object]) -> dict[str, Any]:
        fetched = self._connection.execute(sql, list(parameters)).fetchnumpy()
        return {name: _plain(values) for name, values in fetched.items()}

    def _rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, list(parameters)).fetchall()

    def _one(self, sql: str, parameters: Sequence[object] = ()) -> tuple[Any, ...]:
        return self._rows(sql, parameters)[0]

    def _table(self, table: str) -> dict[str, str]:
        if table not in self._columns:
            rows = self._rows(
                """
                select column_name, data_type from information_schema.columns
                where table_schema = 'marts' and table_name = ?
                """,
                [table],
            )
            self._columns[table] = {str(name): str(kind) for name, kind in rows}
        return self._columns[table]

    def _has_table(self, table: str) -> bool:
        return bool(self._table(table))

    def _type(self, table: str, column: str) -> str:
        return self._table(table).get(column, "")

    def _column(self, table: str, column: str) -> str:
        known = self._table(table)
        if not known:
            raise MartsError(f"the warehouse has no table marts.{table}; build the marts (dbt) before the analyses")
        if column not in known:
            nearest = difflib.get_close_matches(column, list(known), n=1)
            hint = f"; nearest: {nearest[0]}" if nearest else ""
            raise MartsError(f"marts.{table} has no column {column!r}{hint}. Add it to the dbt model or mend the study")
        return quoted(column)


def _plain(values: Any) -> Any:
    """Fill what DuckDB masks (NULL) with NaN; only floating columns here may hold NULL."""
    if isinstance(values, np.ma.MaskedArray):
        return values.filled(np.nan) if values.dtype.kind == "f" else values.filled()
    return values


def _named_levels(columns: Mapping[str, LevelArray], names: Sequence[str]) -> dict[str, LevelArray]:
    return {name: columns[f"level{position}"] for position, name in enumerate(names)}


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)


def _numeric_summary(sample: Distribution) -> NumericSummary:
    """Summarise distinct values in ascending order: sums then don't depend on the order of the rows."""
    # Imported here: it brings SciPy, which those who only draw lanes from the marts don't need.
    from analysis_assets.survival import weighted_median

    value, weight = sample.value, sample.weight
    n = round(float(weight.sum()))
    if not n:
        return NumericSummary(0, None, None, None, None, None, None, None, 2)
    mean = float((value * weight).sum()) / n
    centred = value - mean
    second, third, fourth = (float((centred**power * weight).sum()) / n for power in (2, 3, 4))
    skewness = kurtosis = None
    if second > 0:
        kurtosis = fourth / second**2 - 3
        if n > 2:
            skewness = third / second**1.5 * math.sqrt(n * (n - 1)) / (n - 2)
    decimals = next((d for d in range(3) if np.all(np.abs(value - np.round(value, d)) < SAME)), None)
    return NumericSummary(
        n=n,
        median=weighted_median(value, weight),
        minimum=float(value[0]),
        maximum=float(value[-1]),
        mean=mean,
        sd=math.sqrt(second * n / (n - 1)) if n > 1 else None,
        skewness=skewness,
        excess_kurtosis=kurtosis,
        decimals=2 if decimals is None else decimals,
        exact=decimals is not None,
    )
