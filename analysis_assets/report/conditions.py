"""The rows of a mart behind a number, as conditions on the patient `p` (and the outcome `o` or adverse event `a`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from analysis_assets.paper_audit.printed import parse_level
from analysis_assets.report.evidence import PatientQuery
from analysis_assets.report.queries import name, text

if TYPE_CHECKING:
    from study.models import Covariate

INCLUDED = "p.included"


def both(*conditions: str) -> str:
    """All conditions together; empty ones count as met."""
    return " and ".join(c for c in conditions if c)


def covariate_level(covariate: Covariate, level: str) -> str:
    """Patients at one level of a study covariate; the second level of the study file is the tested one."""
    column = f"p.{name(covariate.column)}"
    if covariate.at_least is not None:
        tested = f"{column} >= {covariate.at_least:.15g}"
    elif covariate.equals is not None:
        tested = f"{column} = {text(str(covariate.equals))}"
    else:
        tested = column
    return tested if level == covariate.levels[1] else f"not ({tested})"


def baseline_level(
    column: str, characteristic: str, level: str, covariates: Mapping[str, Covariate], types: Mapping[str, str]
) -> str | None:
    """Patients of one row of the baseline table; None where the row can't be told as a condition."""
    if not column:
        return ""
    if column not in types:
        return None
    quoted = f"p.{name(column)}"
    covariate = covariates.get(characteristic)
    if covariate is not None and covariate.column == column and level in covariate.levels:
        return covariate_level(covariate, level)
    if not level:
        return f"{quoted} is not null"
    if level in ("missing", "unknown", "not known"):
        return f"{quoted} is null"
    if types[column] == "BOOLEAN":
        return quoted
    parsed = parse_level(level)
    if types[column] != "VARCHAR" and parsed.kind in ("range", "grade"):
        bounds = []
        if parsed.low > float("-inf"):
            bounds.append(f"{quoted} {'>' if parsed.low_open else '>='} {parsed.low:.15g}")
        if parsed.high < float("inf"):
            bounds.append(f"{quoted} {'<' if parsed.high_open else '<='} {parsed.high:.15g}")
        return both(*bounds)
    return f"{quoted} = {text(level)}" if types[column] == "VARCHAR" else None


def all_patients(condition: str = "") -> PatientQuery:
    """Included patients that fulfil a condition."""
    return PatientQuery("patients", INCLUDED, condition)


def outcome(endpoint: str, *conditions: str) -> PatientQuery:
    """Included patients with a row for an endpoint."""
    return PatientQuery("outcomes", both(INCLUDED, f"o.endpoint = {text(endpoint)}"), both(*conditions))


def adverse_event(phase: str, term: str, grade: int | None, among: str = "") -> PatientQuery:
    """Included patients with an adverse event of a term, at one worst grade or any; ``among`` narrows who counts."""
    graded = "" if grade is None else f"a.worst_grade = {grade}"
    within = both(INCLUDED, f"a.phase = {text(phase)}", f"a.term = {text(term)}", among)
    return PatientQuery("adverse_events", within, graded)
