"""Small-cell suppression of the exported analysis tables (study file, `privacy.small_cell_below`).

`RULES` says of each table which columns are counts, which are the totals they add up to, which figures follow from
them, and which rows belong together. A block of rows with one small count loses all its counts and what follows from
them: nothing is left to subtract from. Curves are thinned to whole months between which every group loses nobody or
enough patients. A table without a rule is not exported: a new one must be thought about first.

What does not belong here: the report (`report/suppression.py`), which shows `<5` where this module leaves NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from analysis_assets.baseline import MISSING_LEVEL
from analysis_assets.report.suppression import REMARKS, CountGuard
from warehouse import Exporter, list_tables, quote

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from study import Study

Tables = Mapping[str, "pd.DataFrame"]

CURVE_DECIMALS: Final = 2  # a survival estimate with all its digits can be turned back into the steps behind it


@dataclass(frozen=True)
class Rule:
    """How the counts of one table hang together.

    Attributes:
        block: columns whose equal values make rows a block; none: the whole table is one.
        counts: columns to hide in a block with a small count.
        figures: columns that follow from the counts and go with them.
        totals: numbers of patients that the counts add up to. Hidden only where they, or what they lack of the whole
            cohort, are small.
        missing: numbers of patients left out; small ones take the totals with them.
        parts: (part, whole) columns whose difference is a count too.
        siblings: count column and block within which its largest value is that of everybody.
        totals_block: block that a hidden total hides; by default the block.
        follows: (table, its key, key here): also hidden where that table hides a row with the same key.
        withheld: columns with values of single patients, always hidden.
        derive: adds helper columns, whose names start with an underscore.
    """

    block: tuple[str, ...]
    counts: tuple[str, ...]
    figures: tuple[str, ...] = ()
    totals: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    parts: tuple[tuple[str, str], ...] = ()
    siblings: tuple[str, tuple[str, ...]] | None = None
    totals_block: tuple[str, ...] | None = None
    follows: tuple[tuple[str, str, str], ...] = ()
    withheld: tuple[str, ...] = ()
    derive: Callable[[pd.DataFrame, Tables], pd.DataFrame] | None = None


@dataclass(frozen=True)
class CurveRule:
    """A table of step functions by endpoint, factor and level.

    Attributes:
        counts: patients leaving at a step, by reason; what `n_at_risk` loses besides was censored.
        censored: column for those, where the table has one.
        estimate: the curve.
        start: its value before the first step.
    """

    counts: tuple[str, ...]
    censored: str | None
    estimate: str
    start: float


def _baseline_parts(frame: pd.DataFrame, _: Tables) -> pd.DataFrame:
    """A column's bands, levels and findings count the same patients; who is missing counts among everybody."""
    level = frame["level"].fillna("")
    missing = frame["n_missing"].where(level == MISSING_LEVEL, 0)
    return frame.assign(_whole=level == "", _among=frame["n_total"] + missing)


def _remission_family(frame: pd.DataFrame, _: Tables) -> pd.DataFrame:
    """Complete remission is the sum of those with and without residual disease."""
    remission = frame["endpoint"].isin(["CR", "MRD_NEGATIVE_CR", "MRD_POSITIVE_CR"])
    return frame.assign(_family=frame["endpoint"].mask(remission, "CR"))


def _subgroup_rest(frame: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    """Responders without a value of the factor are the endpoint's less those of the levels."""
    if "response_rates" not in tables:
        return frame.copy()
    rates = tables["response_rates"].drop_duplicates("endpoint").set_index("endpoint")
    return frame.assign(
        _rest_yes=_rest_of(frame, "n_responders", rates["n"]),
        _rest_no=_rest_of(frame, "n_non_responders", rates["n_total"] - rates["n"]),
    )


def _survival_rest(frame: pd.DataFrame, _: Tables) -> pd.DataFrame:
    """Events of patients without a value of the factor are the cohort's less those of the levels."""
    frame = frame.assign(_others=frame["n"] - frame["n_events"])
    cohort = frame[frame["factor"].fillna("") == ""].drop_duplicates("endpoint").set_index("endpoint")
    return frame.assign(
        _rest_yes=_rest_of(frame, "n_events", cohort["n_events"]),
        _rest_no=_rest_of(frame, "_others", cohort["_others"]),
    )


def _rest_of(frame: pd.DataFrame, column: str, overall: pd.Series[Any]) -> pd.Series[Any]:
    by_factor = frame.groupby(["endpoint", frame["factor"].fillna("")])[column].transform("sum")
    return frame["endpoint"].map(overall).astype("Float64") - by_factor


def _grade_parts(frame: pd.DataFrame, _: Tables) -> pd.DataFrame:
    """Grades of a term make one block, the term at any grade another.

    CRS is one block altogether: its higher grades are an endpoint of their own (severe CRS), published elsewhere.
    """
    terms = [frame[column].fillna("") for column in ("phase", "parent_term", "term")]
    whole = frame["grade"].isna()
    of_any = frame["n"].where(whole).groupby(terms).transform("max")
    grades = (~whole).groupby(terms).transform("sum")
    ungraded = of_any - frame["n"].where(~whole).groupby(terms).transform("sum")
    crs = frame["parent_term"].isna() & (frame["term"] == "CRS")
    one_each = (of_any <= grades).fillna(False).astype(bool)  # the whole would say that each grade counts one patient
    apart = whole & ~crs & ~one_each
    return frame.assign(_part=apart, _any=of_any, _ungraded=ungraded.where((grades > 0) & ~apart))


_MODEL_FIGURES: Final = (
    "ci_low", "ci_high", "p_value", "q_value", "coefficient", "std_error", "events_per_variable",
)  # fmt: skip
_LEVELS: Final = ("median", "min", "max", "mean", "sd", "display", "normality_p")

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "baseline_characteristics": Rule(
            block=("column_name", "_whole"), counts=("n",), figures=("pct", *_LEVELS), totals=("n_total",),
            missing=("n_missing",), parts=(("n", "_among"),), totals_block=("column_name",), derive=_baseline_parts,
        ),
        "response_rates": Rule(
            block=("_family",), counts=("n",), figures=("pct", "ci_low", "ci_high", "display"), totals=("n_total",),
            missing=("n_not_evaluable",), parts=(("n", "n_total"),), derive=_remission_family,
        ),
        "response_times": Rule(
            block=("endpoint",), counts=("n",), figures=_LEVELS, totals=("n_total",), parts=(("n", "n_total"),)
        ),
        "response_time_distribution": Rule(
            block=("endpoint",), counts=("n",), follows=(("response_times", "endpoint", "endpoint"),)
        ),
        "subgroup_response": Rule(
            block=("endpoint", "factor"), counts=("n_responders", "n_non_responders", "_rest_yes", "_rest_no"),
            figures=("p_value", "p_fisher", "pct_responders", "pct_non_responders", "display_responders",
                     "display_non_responders", "statistic", "smallest_expected"),
            totals=("n",), missing=("n_missing",), derive=_subgroup_rest,
        ),
        "adverse_event_rates": Rule(
            block=("phase", "parent_term", "term", "_part"), counts=("n", "_ungraded"),
            figures=("pct", "ci_low", "ci_high", "display"), totals=("n_total",),
            parts=(("n", "n_total"), ("_any", "n_total")), derive=_grade_parts,
        ),
        "subsequent_therapies": Rule(
            block=("patient_group",), counts=("n",), figures=("pct", "display"), totals=("n_total",), totals_block=()
        ),
        "follow_up": Rule(
            block=("method",), counts=("n_events",), figures=("median_months", "median_ci_low", "median_ci_high"),
            totals=("n",), parts=(("n_events", "n"),), withheld=("min_months", "max_months"),
        ),
        "km_summary": Rule(
            block=("endpoint", "factor"), counts=("n_events", "_rest_yes", "_rest_no"),
            figures=("median_months", "median_ci_low", "median_ci_high", "median_std_error", "restricted_mean_months",
                     "restricted_mean_std_error"),
            totals=("n",), missing=("n_missing",), parts=(("n_events", "n"),),
            withheld=("min_months", "max_months", "restricted_to_months"), derive=_survival_rest,
        ),
        "logrank_tests": Rule(
            block=("endpoint", "factor"), counts=("n_events",), figures=("statistic", "p_value"), totals=("n",),
            missing=("n_missing",), parts=(("n_events", "n"),), siblings=("n_events", ("endpoint",)),
            follows=(("km_summary", "endpoint,factor", "endpoint,factor"),),
        ),
        "cox_models": Rule(
            block=("endpoint", "model", "term"), counts=("n_events",), figures=("hazard_ratio", *_MODEL_FIGURES),
            totals=("n",), parts=(("n_events", "n"),), siblings=("n_events", ("endpoint",)),
        ),
        "logistic_models": Rule(
            block=("outcome", "model", "term"), counts=("n_events",),
            figures=("odds_ratio", "spss_odds_ratio", "spss_ci_low", "spss_ci_high", "spss_p_value", *_MODEL_FIGURES),
            totals=("n",), parts=(("n_events", "n"),), siblings=("n_events", ("outcome",)),
        ),
        "selection_steps": Rule(
            block=("outcome", "model_family"), counts=("n_events",), figures=("statistic", "p_value", "log_likelihood"),
            totals=("n",), missing=("n_incomplete",), parts=(("n_events", "n"),),
            siblings=("n_events", ("outcome",)),
            follows=(("cox_models", "endpoint", "outcome"), ("logistic_models", "outcome", "outcome")),
        ),
        "model_diagnostics": Rule(
            block=("outcome",), counts=(), figures=("statistic", "p_value", "estimate", "ci_low", "ci_high"),
            follows=(("cox_models", "endpoint", "outcome"), ("logistic_models", "outcome", "outcome"),
                     ("cumulative_incidence", "endpoint", "outcome")),
        ),
        "published_audit": Rule(block=(), counts=()),  # of the paper's own figures, not of this cohort
    }
)  # fmt: skip
CURVES: Final[Mapping[str, CurveRule]] = MappingProxyType(
    {
        "km_curves": CurveRule(("n_events",), "n_censored", "survival", 1.0),
        "cumulative_incidence": CurveRule(("n_events", "n_competing"), None, "incidence", 0.0),
    }
)
FLOW: Final = "cohort_flow"
LANDMARKS: Final = "km_landmarks"
COHORT_SIZES: Final = (("baseline_characteristics", "n_total"), ("km_summary", "n"), ("response_rates", "n_total"))
# Repeats figures of every other table beside the printed ones; grades that adverse_event_rates hides another way; few
# patients whose dates are known by the month.
LEFT_OUT: Final = ("published_comparison", "crs_grading", "date_sensitivity")
EXPORTED: Final = (*CURVES, *RULES, FLOW, LANDMARKS)


def suppress(tables: Tables, below: int) -> dict[str, pd.DataFrame]:
    """Return the exportable tables without small counts and without what they could be recomputed from.

    Args:
        tables: analysis tables by name.
        below: counts from 1 to this number less one are small.

    Returns:
        New data frames with the same columns; hidden cells are NULL. Curves have fewer rows.
    """
    guard = CountGuard(below)
    cohort = _cohort(tables)
    done: dict[str, pd.DataFrame] = {}
    hidden: dict[str, pd.Series[bool]] = {}
    for name in (table for table in CURVES if table in tables):
        done[name] = thinned(tables[name], CURVES[name], guard, cohort)
        hidden[name] = ~tables[name]["endpoint"].isin(done[name]["endpoint"])
    for name in (table for table in RULES if table in tables):
        done[name], hidden[name] = _suppressed(tables, name, guard, cohort, hidden)
    if FLOW in tables:
        done[FLOW] = _flow(tables[FLOW], guard)
    if LANDMARKS in tables:
        done[LANDMARKS] = _landmarks(tables[LANDMARKS], done.get("km_curves"))
    return done


def suppressing_exporter(below: int) -> Exporter:
    """Return what to export in place of every mart and analysis table: the suppressed analysis tables alone."""

    def export(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, Path]:
        names = {table for _, table in list_tables(connection, ("analysis",))} & set(EXPORTED)
        tables = {name: _read(connection, name) for name in sorted(names)}
        written: dict[str, Path] = {}
        for name, frame in sorted(suppress(tables, below).items()):
            written[name] = folder / f"{name}.parquet"
            _write(connection, name, frame, written[name])
        return written

    return export


def exporter_of(study: Study) -> Exporter | None:
    """The exporter that the study asks for; None: the default, nothing suppressed."""
    below = study.privacy.small_cell_below
    return None if below is None else suppressing_exporter(below)


def _cohort(tables: Tables) -> int:
    sizes = [
        int(frame[column].max())
        for name, column in COHORT_SIZES
        if (frame := tables.get(name)) is not None and frame[column].notna().any()
    ]
    return max(sizes, default=0)


def _suppressed(
    tables: Tables, name: str, guard: CountGuard, cohort: int, hidden: Mapping[str, pd.Series[bool]]
) -> tuple[pd.DataFrame, pd.Series[bool]]:
    rule = RULES[name]
    frame = rule.derive(tables[name], tables) if rule.derive else tables[name].copy()
    totals = _small_totals(frame, rule, guard, cohort)
    totals = _spread(frame, totals, rule.block if rule.totals_block is None else rule.totals_block)
    counts = totals | _small_counts(frame, rule, guard) | _followed(frame, rule, tables, hidden)
    counts = _spread(frame, counts, rule.block)
    totals |= counts & _tells_by_itself(frame, rule)
    frame = _without(frame, (*rule.counts, *rule.figures), counts)
    frame = _without(frame, (*rule.totals, *rule.missing), totals)
    frame = _without(frame, rule.withheld, counts | True)
    frame = _without_remarks(frame, counts)
    return frame[tables[name].columns.tolist()], counts


def _is_small(values: pd.Series[Any], guard: CountGuard) -> pd.Series[bool]:
    return ((values > 0) & (values < (guard.below or 0))).fillna(False).astype(bool)


def _nowhere(frame: pd.DataFrame) -> pd.Series[bool]:
    import pandas as pd

    return pd.Series(False, index=frame.index)


def _small_counts(frame: pd.DataFrame, rule: Rule, guard: CountGuard) -> pd.Series[bool]:
    flags = _nowhere(frame)
    for column in (c for c in rule.counts if c in frame):
        flags |= _is_small(frame[column], guard)
    for part, whole in rule.parts:
        flags |= _is_small(frame[whole] - frame[part], guard)
    if rule.siblings:
        column, block = rule.siblings
        flags |= _is_small(frame.groupby(list(block), dropna=False)[column].transform("max") - frame[column], guard)
    return flags


def _small_totals(frame: pd.DataFrame, rule: Rule, guard: CountGuard, cohort: int) -> pd.Series[bool]:
    flags = _nowhere(frame)
    for column in rule.totals:
        flags |= _is_small(frame[column], guard) | _is_small(cohort - frame[column], guard)
    for column in (c for c in rule.missing if c in frame):
        flags |= _is_small(frame[column], guard)
    return flags


def _tells_by_itself(frame: pd.DataFrame, rule: Rule) -> pd.Series[bool]:
    """A total no larger than its number of rows says that each of them counts one patient."""
    flags = _nowhere(frame)
    rows = (
        frame.groupby(list(rule.block), dropna=False)[frame.columns[0]].transform("size") if rule.block else len(frame)
    )
    for column in rule.totals:
        flags |= (frame[column] <= rows).fillna(False).astype(bool)
    return flags


def _followed(
    frame: pd.DataFrame, rule: Rule, tables: Tables, hidden: Mapping[str, pd.Series[bool]]
) -> pd.Series[bool]:
    flags = _nowhere(frame)
    for table, there, here in rule.follows:
        if table in hidden:
            gone = set(_keys(tables[table][hidden[table]], there))
            flags |= _among(frame, here, gone)
    return flags


def _among(frame: pd.DataFrame, columns: str, keys: Collection[tuple[Any, ...]]) -> pd.Series[bool]:
    import pandas as pd

    return pd.Series([key in keys for key in _keys(frame, columns)], index=frame.index, dtype=bool)


def _keys(frame: pd.DataFrame, columns: str) -> list[tuple[Any, ...]]:
    return list(zip(*(frame[column].fillna("").tolist() for column in columns.split(",")), strict=True))


def _spread(frame: pd.DataFrame, flags: pd.Series[bool], block: Sequence[str]) -> pd.Series[bool]:
    if not block:
        return flags | bool(flags.any())
    return flags.groupby([frame[column].fillna("") for column in block]).transform("any")


def _without(frame: pd.DataFrame, columns: Sequence[str], rows: pd.Series[bool]) -> pd.DataFrame:
    return frame.assign(**{column: frame[column].mask(rows) for column in columns if column in frame})


def _without_remarks(frame: pd.DataFrame, rows: pd.Series[bool]) -> pd.DataFrame:
    """Remarks of hidden rows, and any with a figure in it: it may be a count."""
    for column in (c for c in REMARKS if c in frame):
        figure = frame[column].astype("string").str.contains(r"\d", regex=True).fillna(False).astype(bool)
        frame = _without(frame, (column,), rows | figure)
    return frame


def _flow(frame: pd.DataFrame, guard: CountGuard) -> pd.DataFrame:
    """Each step's remainder is the one before less the excluded: only the last remainder stays beside a small count."""
    small = _is_small(frame["n_excluded"], guard) | _is_small(frame["n_remaining"], guard)
    if not small.any():
        return frame.copy()
    last = (frame["step"] == frame["step"].max()) & ~_is_small(frame["n_remaining"], guard)
    return _without(_without(frame, ("n_excluded",), small | True), ("n_remaining",), ~last)


@dataclass(frozen=True)
class _Group:
    """Patients of one curve: how many, how many left by when (months × reasons), how many left in all."""

    n: int
    left: NDArray[np.int64]
    at_end: NDArray[np.int64]


def thinned(frame: pd.DataFrame, rule: CurveRule, guard: CountGuard, cohort: int = 0) -> pd.DataFrame:
    """Return the curves at whole months between which each group loses, by each reason, nobody or enough patients.

    The levels of a factor share their months, which are some of those of the whole cohort's curve; patients without
    a level are a group as well. So neither steps nor the difference between curves show a small count. `n_at_risk`
    counts patients at the start of the interval that ends at `time_months`, the other counts those leaving in it.
    A curve that can't be shown so has no rows.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for _, of_endpoint in frame.groupby("endpoint", sort=False):
        factors = dict(list(of_endpoint.groupby(of_endpoint["factor"].fillna(""), sort=False)))
        months = np.arange(1, int(np.ceil(of_endpoint["time_months"].max())) + 1)
        everybody: dict[int, _Group] = {}
        if "" in factors:
            groups = _groups(factors[""], rule, months)
            months = months[_safe(groups, guard, cohort)]
            everybody = {0: _groups(factors[""], rule, months)[0]}
        for of_factor in factors.values():
            groups = _groups(of_factor, rule, months)
            kept = months[_safe([*groups, *_rest(everybody.get(0), groups)], guard, cohort)]
            for _, curve in of_factor.groupby(of_factor["level"].fillna(""), sort=False):
                rows += _curve_rows(curve, rule, kept)
    return pd.DataFrame(rows, columns=frame.columns).astype(frame.dtypes.to_dict())


def _steps(curve: pd.DataFrame, rule: CurveRule) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    curve = curve.sort_values("time_months")
    at_risk = curve["n_at_risk"].to_numpy(dtype=np.int64)
    named = np.stack([curve[column].to_numpy(dtype=np.int64) for column in rule.counts], axis=1)
    censored = at_risk - np.append(at_risk[1:], 0) - named.sum(axis=1)
    return curve, np.column_stack([named, censored])


def _groups(of_factor: pd.DataFrame, rule: CurveRule, months: NDArray[np.int64]) -> list[_Group]:
    groups: list[_Group] = []
    for _, level in of_factor.groupby(of_factor["level"].fillna(""), sort=False):
        curve, leaving = _steps(level, rule)
        running = np.vstack([np.zeros((1, leaving.shape[1]), dtype=np.int64), leaving.cumsum(axis=0)])
        until = np.searchsorted(curve["time_months"].to_numpy(), months, side="right")
        groups.append(_Group(int(curve["n_at_risk"].iloc[0]), running[until], running[-1]))
    return groups


def _rest(everybody: _Group | None, groups: Sequence[_Group]) -> list[_Group]:
    """The patients of the cohort's curve who are in none of the groups."""
    if everybody is None:
        return []
    return [
        _Group(
            everybody.n - sum(group.n for group in groups),
            everybody.left - np.sum([group.left for group in groups], axis=0),
            everybody.at_end - np.sum([group.at_end for group in groups], axis=0),
        )
    ]


def _safe(groups: Sequence[_Group], guard: CountGuard, cohort: int) -> list[int]:
    """Return positions of the months to show: the earliest possible ones, less the last that leave too few behind."""
    if any(guard.small(group.n) or guard.small(cohort - group.n) for group in groups):
        return []
    kept: list[int] = []
    for month in range(len(groups[0].left)):
        gone = [group.left[month] - (group.left[kept[-1]] if kept else 0) for group in groups]
        if any(counts.any() for counts in gone) and not _any_small(gone, guard):
            kept.append(month)
    while kept and _any_small([group.at_end - group.left[kept[-1]] for group in groups], guard):
        kept.pop()
    return [] if _any_small([group.at_end for group in groups], guard) else kept


def _any_small(counts: Sequence[NDArray[np.int64]], guard: CountGuard) -> bool:
    return any(guard.small(int(count)) for each in counts for count in (*each, each.sum()))


def _curve_rows(curve: pd.DataFrame, rule: CurveRule, months: NDArray[np.int64]) -> list[dict[str, Any]]:
    curve, leaving = _steps(curve, rule)
    times = curve["time_months"].to_numpy()
    n, since = int(curve["n_at_risk"].iloc[0]), 0
    rows: list[dict[str, Any]] = []
    for month in months.tolist():
        until = int(np.searchsorted(times, month, side="right"))
        gone = leaving[since:until].sum(axis=0)
        row = {str(column): value for column, value in curve.iloc[max(until - 1, 0)].items()}
        row |= {"time_months": float(month), "n_at_risk": n}
        estimates = {
            column: round(float(row[column]), CURVE_DECIMALS) for column in (rule.estimate, "ci_low", "ci_high")
        }
        if not until:
            estimates = {rule.estimate: rule.start, "ci_low": np.nan, "ci_high": np.nan}
        row |= {**estimates, **dict(zip(rule.counts, gone.tolist(), strict=False))}
        row |= {rule.censored: int(gone[-1])} if rule.censored else {}
        row |= {column: np.nan for column in ("std_error", "time_days") if column in row}
        rows.append(row)
        n, since = n - int(gone.sum()), until
    return rows


def _landmarks(frame: pd.DataFrame, curves: pd.DataFrame | None) -> pd.DataFrame:
    """Survival at a month stays where the thinned curve shows that month; its count stands there."""
    estimates = ("survival", "ci_low", "ci_high")
    head = "endpoint,factor,level"
    shown = set() if curves is None else set(_keys(curves, f"{head},time_months"))
    gone = ~_among(frame.assign(month=frame["month"].astype(float)), f"{head},month", shown)
    frame = frame.assign(**{column: frame[column].round(CURVE_DECIMALS) for column in estimates})
    frame = _without(_without(frame, estimates, gone), ("n_at_risk", "std_error"), gone | True)
    return _without_remarks(frame, gone)


def _read(connection: duckdb.DuckDBPyConnection, name: str) -> pd.DataFrame:
    """One analysis table; integers stay integers where some are NULL."""
    query = f"select * from analysis.{quote(name)} order by all nulls last"  # noqa: S608
    frame: pd.DataFrame = connection.sql(query).to_arrow_table().to_pandas(types_mapper=_arrow_types().get)
    return frame


def _arrow_types() -> dict[Any, Any]:
    import pandas as pd
    import pyarrow as pa

    whole = {kind: pd.Int64Dtype() for kind in (pa.int64(), pa.int32(), pa.int16(), pa.int8())}
    return {**whole, pa.string(): pd.StringDtype(), pa.bool_(): pd.BooleanDtype()}


def _write(connection: duckdb.DuckDBPyConnection, name: str, frame: pd.DataFrame, path: Path) -> None:
    """Write a frame with the table's own types, sorted by all columns."""
    types = connection.execute(f"describe analysis.{quote(name)}").fetchall()
    columns = ", ".join(_typed(str(column), str(kind)) for column, kind, *_ in types)
    target = str(path).replace("'", "''")
    connection.register("suppressed_table", frame)
    try:
        connection.execute(
            f"copy (select {columns} from suppressed_table order by all nulls last) "  # noqa: S608
            f"to '{target}' (format parquet, compression zstd)"
        )
    finally:
        connection.unregister("suppressed_table")


def _typed(column: str, kind: str) -> str:
    cell = f"cast({quote(column)} as {kind})"
    return (
        f"case when not isnan({cell}) then {cell} end as {quote(column)}"
        if kind == "DOUBLE"
        else f"{cell} as {quote(column)}"
    )
