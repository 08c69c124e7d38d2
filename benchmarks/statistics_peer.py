"""All analysis tables against R's survival package: time, and whether the figures agree to 1e-6."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from analysis_assets.inputs import SWITCH_ENDPOINTS
from benchmarks.figure import Figure, figure_of
from benchmarks.inputs import Workplace, nothing, say
from benchmarks.measure import ROOT, BenchmarkError, Command, in_turn, python, run
from study import Study, load_study
from study.models import Covariate

GOAL = 0.1
TOLERANCE = 1e-6
PEER = "R survival"
_SCRIPT = Path(__file__).with_name("r_tables.R")
_KEYS = ["table", "outcome", "factor", "level", "statistic"]


def statistics(work: Workplace, home: Path, patients: int) -> Iterator[Figure]:
    """Yield the time of all tables against R's, and the largest relative difference between their figures."""
    name = f"statistics: all analysis tables, {patients} patients"
    rscript = shutil.which("Rscript")
    if rscript is None or not _has_survival(rscript):
        note = "R survival is not installed: apt-get install r-base-core r-cran-survival"
        yield Figure(name, "s", None, None, f"{PEER} (not installed)", GOAL, note=note)
        return
    warehouse = home / "warehouse.duckdb"
    out = work.fresh("statistics")
    study = load_study(ROOT / "study.yml")
    ours = python("-m", "benchmarks.our_tables", str(warehouse), str(out), work.memory_limit)
    say(f"statistics: our tables of {patients} patients, to know which terms selection kept")
    run(ours)
    tables = _our_tables(out)
    write_patients(warehouse, study, out / "patients.csv")
    specification(study, tables).to_csv(out / "spec.csv", index=False)
    run(Command((rscript, str(_SCRIPT), "prepare", str(out / "patients.csv"), str(out / "patients.rds")), {}))
    say("statistics: ours and R's in turn")
    files = tuple(str(out / file) for file in ("patients.rds", "spec.csv", "figures.csv"))
    pair = in_turn(ours, Command((rscript, str(_SCRIPT), "tables", *files), {}), 1, nothing, nothing)
    yield figure_of(name, pair, PEER, GOAL)
    yield agreement(our_figures(_our_tables(out), study), pd.read_csv(out / "figures.csv"), patients)


def agreement(ours: pd.DataFrame, peer: pd.DataFrame, patients: int) -> Figure:
    """Compare figures that both sides have.

    Args:
        ours: columns table, outcome, factor, level, statistic, value.
        peer: the same.
        patients: size, for the name.

    Returns:
        Largest relative difference against 1e-6; the note counts what was compared and names the worst.

    Raises:
        BenchmarkError: the two have no figure in common.
    """
    keyed = [frame.assign(**{key: frame[key].fillna("").map(_text) for key in _KEYS}) for frame in (ours, peer)]
    both = keyed[0].merge(keyed[1], on=_KEYS, suffixes=("_ours", "_peer")).dropna(subset=["value_ours", "value_peer"])
    if both.empty:
        raise BenchmarkError("our tables and R's have no figure in common")
    difference = (both["value_ours"] - both["value_peer"]).abs() / both["value_peer"].abs().clip(lower=1e-12)
    worst = both.iloc[int(difference.to_numpy().argmax())]
    differing = int((difference > TOLERANCE).sum())
    return Figure(
        f"statistics: largest relative difference, {patients} patients",
        "relative difference",
        float(difference.max()),
        TOLERANCE,
        "tolerance",
        1.0,
        note=f"{len(both)} figures compared, {differing} differ by more; worst: {' '.join(worst[_KEYS]).strip()}",
        extra={"compared": len(both), "differing": differing},
        guarded=False,
    )


def write_patients(warehouse: Path, study: Study, target: Path) -> None:
    """Write one line per included patient: follow-up, outcomes and 0/1 covariates (empty where unknown)."""
    survival = study.models.survival.endpoints
    binary = sorted({"CR", *study.models.logistic.endpoints, *_RATED})
    columns = [
        *(f"max(o.time_days) filter (o.endpoint = '{e}') as {e}_days" for e in survival),
        *(f"max(cast(o.event as integer)) filter (o.endpoint = '{e}') as {e}_event" for e in survival),
        *(f"coalesce(max(cast(o.achieved as integer)) filter (o.endpoint = '{e}'), 0) as achieved_{e}" for e in binary),
        "max(o.time_days) filter (o.endpoint = 'RELAPSE') as RELAPSE_days",
        "max(case when not o.event and coalesce(o.event_kind, 'censored') like 'censored%' then 0 when o.event then 1 "
        "else 2 end) filter (o.endpoint = 'RELAPSE') as RELAPSE_cause",
        *(f"max(cast({_level(each)} as integer)) as {each.name}" for each in study.covariates),
        *(
            "max(coalesce(o.time_days, date_diff('day', p.infusion_date, o.event_date))) "
            f"filter (o.endpoint = '{SWITCH_ENDPOINTS[each.column]}' and coalesce(o.achieved, o.event)) "
            f"as {each.name}_day"
            for each in study.covariates
            if each.column in SWITCH_ENDPOINTS
        ),
    ]
    query = f"""
        select {", ".join(columns)} from marts.patients as p join marts.outcomes as o using (patient_key)
        where p.included group by p.patient_key
    """
    with duckdb.connect(warehouse, read_only=True) as connection:
        connection.execute(f"copy ({query}) to '{target}' (header, nullstr '')")


def specification(study: Study, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return what R is to make: one row per model or curve, with the terms that our selection kept."""
    rows: list[tuple[str, str, str]] = []
    for endpoint in study.models.survival.endpoints:
        rows += [("km", endpoint, factor) for factor in study.models.survival.factors]
    for endpoint in study.models.cox.endpoints:
        rows += [("cox", endpoint, term) for term in study.models.cox.covariates]
        rows += [("cox_multivariate", endpoint, term) for term in _kept(tables["cox_models"], "endpoint", endpoint)]
        switching = [each.name for each in study.covariates if each.column in SWITCH_ENDPOINTS]
        rows += [("landmark_cox", endpoint, term) for term in switching if term in study.models.cox.covariates]
    for outcome in study.models.logistic.endpoints:
        rows += [("logistic", outcome, term) for term in study.models.logistic.covariates]
        kept = _kept(tables["logistic_models"], "outcome", outcome)
        rows += [("logistic_multivariate", outcome, term) for term in kept]
    rows += [("subgroup", "CR", factor) for factor in study.models.subgroups.factors]
    rows += [("rate", outcome, "") for outcome in _RATED]
    rows += [("landmark", "", str(month)) for month in study.landmark_months]
    return pd.DataFrame(rows, columns=["kind", "outcome", "term"])


def our_figures(tables: dict[str, pd.DataFrame], study: Study) -> pd.DataFrame:
    """Return our tables' figures under the keys of r_tables.R; separated models are left out, R has no Firth."""
    codes = {each.name: {level: code for code, level in enumerate(each.levels)} for each in study.covariates}

    def level(row: pd.Series) -> str:
        return "0" if not row["factor"] else str(codes[row["factor"]].get(row["level"], ""))

    own = {name: table[table["convention"] == study.conventions] for name, table in tables.items()}
    parts: list[pd.DataFrame] = []

    def add(name: str, table: pd.DataFrame, outcome: str, factor: str, levels: object, figures: dict[str, str]) -> None:
        for column, statistic in figures.items():
            keys = {"table": name, "outcome": table[outcome], "factor": table[factor], "level": levels}
            parts.append(pd.DataFrame({**keys, "statistic": statistic, "value": table[column].astype(float)}))

    summary = own["km_summary"]
    summary = summary[summary["endpoint"].isin(study.models.survival.endpoints)]
    by_level = summary.apply(level, axis=1)
    add("km_summary", summary, "endpoint", "factor", by_level, {"median_months": "median_months"})
    for month, rows in own["km_landmarks"].groupby("month"):
        figures = {"survival": f"survival_{month}", "std_error": f"std_error_{month}"}
        add("km_landmarks", rows, "endpoint", "factor", rows.apply(level, axis=1), figures)
    add("logrank_tests", own["logrank_tests"], "endpoint", "factor", "", {"statistic": "statistic"})
    cox = own["cox_models"][own["cox_models"]["estimator"] == "mle"]
    figures = {"coefficient": "coefficient", "std_error": "std_error"}
    add("cox_models", cox, "endpoint", "term", cox["model"], figures)
    logistic = own["logistic_models"][own["logistic_models"]["estimator"] == "mle"]
    add("logistic_models", logistic, "outcome", "term", logistic["model"], figures)
    tests = own["model_diagnostics"]
    tests = tests[(tests["diagnostic"] == "proportional_hazards") & (tests["model"] == "univariate")]
    add("model_diagnostics", tests, "outcome", "term", tests["model"], {"statistic": "statistic"})
    subgroups = own["subgroup_response"].drop_duplicates(["endpoint", "factor"])
    add("subgroup_response", subgroups, "endpoint", "factor", "", {"statistic": "statistic"})
    rates = own["response_rates"].assign(factor="")
    rates = rates[rates["ci_method"] == "clopper_pearson"]
    add("response_rates", rates, "endpoint", "factor", "", {"ci_low": "ci_low", "ci_high": "ci_high"})
    incidence = _incidence_at(own["cumulative_incidence"], study.landmark_months)
    for month, rows in incidence.groupby("month"):
        by_level = rows.apply(level, axis=1)
        add("cumulative_incidence", rows, "endpoint", "factor", by_level, {"incidence": f"incidence_{month}"})
    return pd.concat(parts, ignore_index=True)


_RATED = ("CR", "MRD_NEGATIVE_CR", "SEVERE_CRS")


def _incidence_at(table: pd.DataFrame, months: tuple[int, ...]) -> pd.DataFrame:
    """The curves' last step up to each landmark."""
    relapse = table[table["endpoint"] == "RELAPSE"].sort_values("time_months")
    return pd.concat(
        relapse[relapse["time_months"] <= month]
        .groupby(["endpoint", "factor", "level"], as_index=False)
        .last()
        .assign(month=month)
        for month in months
    )


def _kept(table: pd.DataFrame, column: str, outcome: str) -> list[str]:
    """Terms of the multivariate model; none where it is not a maximum likelihood fit."""
    rows = table[(table[column] == outcome) & (table["model"] == "multivariate") & (table["estimator"] == "mle")]
    return list(rows["term"])


def _level(covariate: Covariate) -> str:
    column = f'p."{covariate.column}"'
    if covariate.at_least is not None:
        return f"{column} >= {covariate.at_least}"
    if covariate.equals is not None:
        return f"cast({column} as varchar) = '{covariate.equals}'"
    return f"cast({column} as boolean)"


def _our_tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: pd.read_pickle(path) for path in folder.glob("*.pkl")}


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)


def _has_survival(rscript: str) -> bool:
    try:
        run(Command((rscript, "-e", "stopifnot(requireNamespace('survival', quietly = TRUE))"), {}))
    except BenchmarkError:
        return False
    return True
