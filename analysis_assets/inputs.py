"""The only reader of the marts: included patients, aggregated by DuckDB before anything reaches Python.

Every method is one pass over one table (patients joined where a covariate is asked for). What comes back is distinct
patterns with a frequency weight, so a million patients arrive as a few thousand rows. Column names in the SQL come from
the validated study file or from this module, are checked against the table and quoted; values are bound as parameters.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import duckdb
import numpy as np

from analysis_assets.protocols import (
    Binary,
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
class EventCount:
    """Patients whose worst grade of a term in a phase is ``grade`` (None: recorded without a grade)."""

    phase: str
    parent_term: str | None
    term: str
    grade: int | None
    n: int


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
        # One pass over all endpoints: asked one by one, millions of outcomes were joined a dozen times.
        self._assessments: dict[str, tuple[int, int]] | None = None

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

    def _levels(self, names: Sequence[str]) -> tuple[list[str], list[object]]:
        """``<level code> as x0, ...`` for each covariate, with all parameters in order."""
        selected: list[str] = []
        parameters: list[object] = []
        for position, name in enumerate(names):
            rule, values = self._level(name)
            selected.append(f"{rule} as x{position}")
            parameters.extend(values)
        return selected, parameters

    # ---- samples for the kernels ------------------------------------------------------------------------------------

    def time_to_event(self, endpoint: str, covariates: Sequence[str] = ()) -> TimeToEvent:
        """Return follow-up for ``endpoint``, grouped by time, cause and the named covariates (missing kept as -1).

        Raises:
            NotComputableError: if no included patient has follow-up for the endpoint.
        """
        selected, parameters = self._levels(covariates)
        competing = "2" if endpoint in COMPETING_ENDPOINTS else "0"
        cause = (
            "cast(case when o.event then 1 "
            f"when coalesce(o.event_kind, 'censored') not like 'censored%' then {competing} else 0 end as tinyint)"
        )
        columns = self._grouped(
            ["cast(o.time_days as double) as time_days", f"{cause} as cause", *selected],
            "o.endpoint = ? and o.time_days is not null",
            [*parameters, endpoint],
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
        selected, parameters = self._levels(covariates)
        columns = self._grouped(
            ["coalesce(o.achieved, false) as achieved", *selected], "o.endpoint = ?", [*parameters, endpoint]
        )
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
        selected, parameters = self._levels(adjust)
        origin = "coalesce(remission.time_days, 0)" if endpoint in ENDPOINTS_FROM_REMISSION else "0"
        switch = f"cast(greatest(turned.day - {origin}, 0) as double)"
        sql = f"""
            with turned as (
                select o.patient_key,
                    coalesce(o.time_days, date_diff('day', p.infusion_date, o.event_date)) as day
                from marts.outcomes as o
                join marts.patients as p using (patient_key)
                where o.endpoint = ? and coalesce(o.achieved, o.event)
            ),
            remission as (
                select patient_key, time_days from marts.outcomes where endpoint = 'TIME_TO_CR' and event
            )
            select
                cast(o.time_days as double) as time_days,
                coalesce(o.event, false) as event,
                case when turned.day is not null and {switch} <= o.time_days then {switch} end as switch_day,
                {"".join(rule + ", " for rule in selected)}
                cast(count(*) as double) as weight
            from marts.outcomes as o
            join marts.patients as p using (patient_key)
            left join turned using (patient_key)
            left join remission using (patient_key)
            where p.included and o.endpoint = ? and o.time_days is not null
            group by all
            order by all
        """  # noqa: S608 - identifiers are checked and quoted, values are bound
        columns = self._fetch(sql, [SWITCH_ENDPOINTS[column], *parameters, endpoint])
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
            rows = self._rows(
                """
                with judged as (
                    select o.endpoint,
                        o.achieved is not null and coalesce(o.event_kind, '') <> 'not_evaluable' as assessed
                    from marts.outcomes as o
                    join marts.patients as p using (patient_key)
                    where p.included and o.kind = 'binary'
                )
                select endpoint, count(*) filter (assessed), count(*) filter (not assessed)
                from judged group by endpoint
                """
            )
            self._assessments = {str(name): (int(with_one), int(without)) for name, with_one, without in rows}
        return self._assessments.get(endpoint, (0, 0))

    # ---- counts and summaries for the tables ------------------------------------------------------------------------

    def included(self) -> int:
        """Return the number of included patients."""
        return int(self._one("select count(*) from marts.patients as p where p.included")[0])

    def level_counts(self, names: Sequence[str]) -> dict[str, LevelCounts]:
        """Return the included patients at each level of each named covariate, in one pass."""
        if not names:
            return {}
        selected, parameters = self._levels(names)
        counts = ", ".join(
            f"count(*) filter (x{i} = 0), count(*) filter (x{i} = 1), count(*) filter (x{i} = -1)"
            for i in range(len(names))
        )
        row = self._one(
            f"select {counts} from (select {', '.join(selected)} from marts.patients as p where p.included)",  # noqa: S608
            parameters,
        )
        return {name: LevelCounts(*(int(n) for n in row[3 * i : 3 * i + 3])) for i, name in enumerate(names)}

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
        """Return n, median, range, mean, SD and shape of numeric columns of marts.patients, in one pass.

        Args:
            units: Column to the unit that its values are given in (1e6 turns cells into millions of cells).
        """
        parts = [_summary_sql(self._measured(column, unit)) for column, unit in units.items()]
        row = self._one(f"select {', '.join(parts)} from marts.patients where included")  # noqa: S608
        width = len(row) // len(parts)
        return {name: _numeric_summary(row[width * i : width * (i + 1)]) for i, name in enumerate(units)}

    def _measured(self, column: str, unit: float) -> str:
        return f"cast({self._column('patients', column)} as double) / {float(unit)!r}"

    def distribution(self, column: str, unit: float = 1.0) -> Distribution:
        """Return the distinct values of a numeric column of marts.patients, in ``unit``, with the patients of each."""
        measured = self._measured(column, unit)
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
        return Distribution(fetched["value"], fetched["weight"])

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
        fetched = self._fetch(
            """
            select cast(o.time_days as double) as value, cast(count(*) as double) as weight
            from marts.outcomes as o
            join marts.patients as p using (patient_key)
            where p.included and o.endpoint = ? and o.event and o.time_days is not null
            group by value
            order by value
            """,
            [endpoint],
        )
        if fetched["value"].size == 0:
            raise NotComputableError(f"no included patient has an event of {endpoint} in marts.outcomes")
        return Distribution(fetched["value"], fetched["weight"])

    def subgroup_counts(self, endpoint: str, factors: Sequence[str]) -> dict[str, dict[int, tuple[int, int]]]:
        """Return, per factor and level code, (responders, non-responders) of a yes/no endpoint, in one pass.

        Raises:
            NotComputableError: if the endpoint is unknown for every included patient.
        """
        self.require_known(endpoint)
        if not factors:
            return {}
        selected, parameters = self._levels(factors)
        counts: list[str] = []
        for i in range(len(factors)):
            for level in (0, 1, -1):
                counts.append(f"count(*) filter (x{i} = {level} and achieved)")
                counts.append(f"count(*) filter (x{i} = {level} and not achieved)")
        row = self._one(
            f"""
            select {", ".join(counts)}
            from (
                select coalesce(o.achieved, false) as achieved, {", ".join(selected)}
                from marts.outcomes as o
                join marts.patients as p using (patient_key)
                where p.included and o.endpoint = ?
            )
            """,  # noqa: S608
            [*parameters, endpoint],
        )
        values = [int(n) for n in row]
        return {
            name: {level: (values[6 * i + 2 * j], values[6 * i + 2 * j + 1]) for j, level in enumerate((0, 1, -1))}
            for i, name in enumerate(factors)
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
        rows = self._rows(
            f"""
            select a.phase, a.parent_term, a.term, a.worst_grade, count(distinct a.patient_key) as n
            from marts.adverse_events as a
            join marts.patients as p using (patient_key)
            where p.included and (a.phase <> 'hsct' or {self._had_transplant()})
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
        ``mrd_negative``, ``hsct``, ``relapse``, ``treatment_failure`` (NaN where it never came). Which patients are
        left out beyond the limit is decided by the keyed hash, so the sample does not depend on any clinical value.
        """
        return self._connection.execute(
            """
            with lanes as (
                select
                    p.patient_key,
                    max(o.time_days) filter (o.endpoint = 'OS') as follow_up_days,
                    coalesce(bool_or(o.event) filter (o.endpoint = 'OS'), false) as died,
                    min(o.time_days) filter (o.endpoint = 'TIME_TO_CR' and o.event) as remission,
                    min(o.time_days) filter (o.endpoint = 'TIME_TO_MRD_NEGATIVE' and o.event) as mrd_negative,
                    min(coalesce(o.time_days, date_diff('day', p.infusion_date, o.event_date)))
                        filter (o.endpoint = 'HSCT_BRIDGE' and o.achieved) as hsct,
                    min(date_diff('day', p.infusion_date, o.event_date))
                        filter (o.event and o.event_kind = 'relapse') as relapse,
                    min(o.time_days) filter (o.event and o.event_kind = 'treatment_failure') as treatment_failure
                from marts.patients as p
                left join marts.outcomes as o using (patient_key)
                where p.included
                group by p.patient_key
                order by p.patient_key
                limit ?
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
            """,
            [limit],
        ).df()

    # ---- how the warehouse is read ----------------------------------------------------------------------------------

    def _grouped(self, selected: Iterable[str], condition: str, parameters: Sequence[object]) -> dict[str, Any]:
        sql = f"""
            select {", ".join(selected)}, cast(count(*) as double) as weight
            from marts.outcomes as o
            join marts.patients as p using (patient_key)
            where p.included and {condition}
            group by all
            order by all
        """  # noqa: S608 - identifiers are checked and quoted, values are bound
        return self._fetch(sql, parameters)

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
    return {name: columns[f"x{position}"] for position, name in enumerate(names)}


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)


def _summary_sql(value: str) -> str:
    """Count, order statistics and moments of one column; decimals by whether rounding changes any value.

    Moments add the values in order of size, so that their last digit doesn't depend on the order of the rows.
    """
    return ", ".join(
        (
            f"count({value})",
            f"median({value})",
            f"min({value})",
            f"max({value})",
            f"avg({value} order by {value})",
            f"stddev_samp({value} order by {value})",
            f"skewness({value} order by {value})",
            f"kurtosis_pop({value} order by {value})",
            f"bool_and(abs({value} - round({value}, 0)) < {SAME})",
            f"bool_and(abs({value} - round({value}, 1)) < {SAME})",
        )
    )


def _numeric_summary(row: Sequence[Any]) -> NumericSummary:
    n, *statistics, whole, one_decimal = row
    median, minimum, maximum, mean, sd, skewness, kurtosis = (_finite(value) for value in statistics)
    decimals = 0 if whole else 1 if one_decimal else 2
    return NumericSummary(int(n), median, minimum, maximum, mean, sd, skewness, kurtosis, decimals)


def _finite(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
