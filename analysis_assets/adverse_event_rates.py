"""Adverse events per phase, term and worst grade, with exact intervals (Tables 6 and 8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from analysis_assets.frames import Kind, Row, table
from analysis_assets.inputs import EventCount, LevelCounts, StudyInputs
from analysis_assets.rates import CLOPPER_PEARSON, count_text, proportion_interval

if TYPE_CHECKING:
    import pandas as pd

    from study import Study

PHASE_CART: Final = "cart"
PHASE_HSCT: Final = "hsct"
CRS_TREATMENT: Final = "treatment of CRS"

ADVERSE_EVENT_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "phase": "text",
        "parent_term": "text",
        "term": "text",
        "grade": "count",
        "n": "count",
        "n_total": "count",
        "pct": "figure",
        "ci_low": "figure",
        "ci_high": "figure",
        "ci_method": "text",
        "display": "text",
        "convention": "text",
        "note": "text",
    }
)

# Yes/no columns of marts.patients that stand among the adverse events: (column, parent term, term).
MANAGEMENT: Final = (
    ("icu_admission", None, "ICU admission"),
    ("glucocorticoids", CRS_TREATMENT, "glucocorticoids"),
    ("tocilizumab", CRS_TREATMENT, "tocilizumab"),
)

# What the paper's tables list first, by phase; other terms follow by name.
TERM_ORDER: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        PHASE_CART: (
            "crs",
            "fever",
            "hypotension",
            "hypoxemia",
            "capillary leak syndrome",
            "hepatic injury",
            "heart injury",
            "hematologic toxicity",
            "neurotoxicity",
            "infection",
        ),
        PHASE_HSCT: (
            "gvhd",
            "erythra",
            "gastrointestinal reactions",
            "hepatic injury",
            "hemorrhagic cystitis",
            "hepatic veno-occlusive disease",
            "infection",
        ),
    }
)

Key = tuple[str, str | None, str]


def adverse_event_rates(inputs: StudyInputs, study: Study) -> pd.DataFrame:
    """Return one row per phase, term and worst grade, and one with grade NULL for the term at any grade.

    Denominator: every included patient in phase ``cart``, those transplanted after the infusion in phase ``hsct``.
    Each patient counts once per term, at the worst grade. Percentages and Clopper-Pearson bounds in percent.
    """
    totals = {PHASE_CART: inputs.included(), PHASE_HSCT: inputs.transplanted()}
    terms = _by_term(inputs.adverse_event_counts())
    by_phase: dict[str, list[Row]] = {PHASE_CART: []}
    for key in sorted(terms, key=_order):
        total = totals.get(key[0], totals[PHASE_CART])
        by_phase.setdefault(key[0], []).extend(_term_rows(key, terms[key], total))
    in_cart = by_phase[PHASE_CART]
    if not in_cart:
        note = "no adverse event is recorded"
        in_cart.append({"phase": PHASE_CART, "term": "any", "n_total": totals[PHASE_CART], "note": note})
    in_cart.extend(_management_rows(inputs.flag_counts([column for column, _, _ in MANAGEMENT])))
    return table([row for rows in by_phase.values() for row in rows], ADVERSE_EVENT_COLUMNS, study.conventions)


def _by_term(counts: list[EventCount]) -> dict[Key, dict[int | None, int]]:
    terms: dict[Key, dict[int | None, int]] = {}
    for count in counts:
        grades = terms.setdefault((count.phase, count.parent_term, count.term), {})
        grades[count.grade] = grades.get(count.grade, 0) + count.n
    return terms


def _order(key: Key) -> tuple[str, int, str, str]:
    phase, parent, term = key
    listed = TERM_ORDER.get(phase, ())
    position = listed.index(term.lower()) if term.lower() in listed else len(listed)
    return (phase, position, term, parent or "")


def _term_rows(key: Key, grades: dict[int | None, int], total: int) -> Iterator[Row]:
    ungraded = grades.get(None, 0)
    graded = sorted(grade for grade in grades if grade is not None)
    note = f"{ungraded} recorded without a grade" if ungraded and graded else None
    yield {**_rate(key, None, sum(grades.values()), total), "note": note}
    for grade in graded:
        yield _rate(key, grade, grades[grade], total)


def _management_rows(flags: dict[str, LevelCounts]) -> Iterator[Row]:
    for column, parent, term in MANAGEMENT:
        counts = flags[column]
        if counts.known:
            yield _rate((PHASE_CART, parent, term), None, counts.other, counts.known)
        else:
            note = "the extract holds no data on this"
            yield {"phase": PHASE_CART, "parent_term": parent, "term": term, "note": note}


def _rate(key: Key, grade: int | None, n: int, total: int) -> Row:
    interval = proportion_interval(n, total)
    return {
        "phase": key[0],
        "parent_term": key[1],
        "term": key[2],
        "grade": grade,
        "n": n,
        "n_total": total,
        "pct": 100 * n / total,
        "ci_low": 100 * interval.low,
        "ci_high": 100 * interval.high,
        "ci_method": CLOPPER_PEARSON,
        "display": count_text(n, total),
    }
