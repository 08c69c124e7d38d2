"""Adverse events per phase, term and worst grade, with exact intervals (Tables 6 and 8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from analysis_assets.inputs import EventCount, LevelCounts, StudyInputs
from analysis_assets.rates import count_text, proportion_interval

if TYPE_CHECKING:
    import pandas as pd

    from study import Study

PHASE_CART: Final = "cart"
PHASE_HSCT: Final = "hsct"
CRS_TREATMENT: Final = "treatment of CRS"

ADVERSE_EVENT_COLUMNS: Final = (
    "phase",
    "parent_term",
    "term",
    "grade",
    "n",
    "n_total",
    "pct",
    "ci_low",
    "ci_high",
    "ci_method",
    "display",
    "convention",
    "note",
)

# Yes/no columns of marts.patients that stand among the adverse events: (column, parent term, term).
MANAGEMENT: Final = (
    ("icu_admission", None, "ICU admission"),
    ("glucocorticoids", CRS_TREATMENT, "glucocorticoids"),
    ("tocilizumab", CRS_TREATMENT, "tocilizumab"),
)

# What the paper's tables list first; other terms follow by name.
TERM_ORDER: Final = (
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
    "icu admission",
    "glucocorticoids",
    "tocilizumab",
    "gvhd",
    "erythra",
    "gastrointestinal reactions",
    "hemorrhagic cystitis",
    "hepatic veno-occlusive disease",
)

Key = tuple[str, str | None, str]


def adverse_event_rates(inputs: StudyInputs, study: Study) -> pd.DataFrame:
    """Return one row per phase, term and worst grade, and one with grade NULL for the term at any grade.

    Denominator: every included patient in phase ``cart``, the patients bridged to transplantation in phase ``hsct``. Each
    patient counts once per term, at the worst grade. Percentages and Clopper-Pearson bounds in percent.
    """
    import pandas as pd

    totals = {PHASE_CART: inputs.included(), PHASE_HSCT: inputs.transplanted()}
    terms = _by_term(inputs.adverse_event_counts())
    rows: list[dict[str, object]] = []
    for key in sorted(terms, key=_order):
        rows.extend(_term_rows(key, terms[key], totals.get(key[0], totals[PHASE_CART])))
    if not any(key[0] == PHASE_CART for key in terms):
        rows.append(
            {"phase": PHASE_CART, "term": "any", "n_total": totals[PHASE_CART], "note": "no adverse event is recorded"}
        )
    rows.extend(_management_rows(inputs.flag_counts([column for column, _, _ in MANAGEMENT])))
    frame = pd.DataFrame(rows, columns=list(ADVERSE_EVENT_COLUMNS)).assign(convention=study.conventions)
    counted = ["grade", "n", "n_total"]
    return frame.astype(dict.fromkeys(counted, "Int64") | dict.fromkeys(["pct", "ci_low", "ci_high"], float))


def _by_term(counts: list[EventCount]) -> dict[Key, dict[int | None, int]]:
    terms: dict[Key, dict[int | None, int]] = {}
    for count in counts:
        grades = terms.setdefault((count.phase, count.parent_term, count.term), {})
        grades[count.grade] = grades.get(count.grade, 0) + count.n
    return terms


def _order(key: Key) -> tuple[bool, str, int, str, str]:
    phase, parent, term = key
    position = TERM_ORDER.index(term.lower()) if term.lower() in TERM_ORDER else len(TERM_ORDER)
    return (phase != PHASE_CART, phase, position, term, parent or "")


def _term_rows(key: Key, grades: dict[int | None, int], total: int) -> Iterator[dict[str, object]]:
    ungraded = grades.get(None, 0)
    graded = sorted(grade for grade in grades if grade is not None)
    note = f"{ungraded} recorded without a grade" if ungraded and graded else None
    yield _rate(key, None, sum(grades.values()), total) | {"note": note}
    for grade in graded:
        yield _rate(key, grade, grades[grade], total)


def _management_rows(flags: dict[str, LevelCounts]) -> Iterator[dict[str, object]]:
    for column, parent, term in MANAGEMENT:
        counts = flags[column]
        if counts.known:
            yield _rate((PHASE_CART, parent, term), None, counts.other, counts.known)
        else:
            yield {"phase": PHASE_CART, "parent_term": parent, "term": term, "note": "the extract holds no data on this"}


def _rate(key: Key, grade: int | None, n: int, total: int) -> dict[str, object]:
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
        "ci_method": "clopper_pearson",
        "display": count_text(n, total),
    }
