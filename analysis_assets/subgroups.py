"""Response by subgroup: Pearson's chi-square and Fisher's exact test of each endpoint by each factor (Table 2)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from analysis_assets.conventions import Convention, convention
from analysis_assets.frames import Kind, Row, table
from analysis_assets.inputs import StudyInputs
from analysis_assets.protocols import Covariate, NotComputableError
from analysis_assets.rates import SMALL_EXPECTED_COUNT, TwoByTwo, count_text, rounded, two_by_two

if TYPE_CHECKING:
    import pandas as pd

    from study import Study

SUBGROUP_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "endpoint": "text",
        "factor": "text",
        "level": "text",
        "n_responders": "count",
        "n_non_responders": "count",
        "p_value": "figure",
        "test": "text",
        "p_fisher": "figure",
        "factor_label": "text",
        "n": "count",
        "pct_responders": "figure",
        "pct_non_responders": "figure",
        "display_responders": "text",
        "display_non_responders": "text",
        "statistic": "figure",
        "df": "count",
        "smallest_expected": "figure",
        "n_missing": "count",
        "convention": "text",
        "warning": "text",
        "note": "text",
    }
)
PEARSON: Final = "Pearson chi-square"
PEARSON_CORRECTED: Final = "Pearson chi-square with Yates' correction"


def subgroup_response(inputs: StudyInputs, study: Study) -> pd.DataFrame:
    """Return one row per endpoint, factor and level; the tests of a factor stand on both of its rows.

    Percentages are within the level. Patients without a value of the factor are counted in ``n_missing`` and take no
    part in its test. ``warning`` is set where an expected count is below 5.
    """
    rules = convention(study.conventions)
    factors = study.models.subgroups.factors
    rows: list[Row] = []
    for endpoint in study.models.subgroups.endpoints:
        try:
            counts = inputs.subgroup_counts(endpoint, factors)
        except NotComputableError as reason:
            for factor in factors:
                rows.append(
                    {
                        "endpoint": endpoint,
                        "factor": factor,
                        "factor_label": inputs.covariate(factor).label,
                        "level": "",
                        "note": f"not computable: {reason}",
                    }
                )
            continue
        for factor in factors:
            rows.extend(_factor_rows(endpoint, inputs.covariate(factor), counts[factor], rules))
    return table(rows, SUBGROUP_COLUMNS, rules.name)


def _factor_rows(endpoint: str, factor: Covariate, counts: dict[int, tuple[int, int]], rules: Convention) -> list[Row]:
    (a, b), (c, d) = counts[0], counts[1]
    test = two_by_two(a, b, c, d, yates=rules.chi_square_correction)
    shared: Row = {
        "endpoint": endpoint,
        "factor": factor.name,
        "factor_label": factor.label,
        "p_value": test.p_value,
        "test": PEARSON_CORRECTED if rules.chi_square_correction else PEARSON,
        "p_fisher": test.p_fisher,
        "statistic": test.statistic,
        "df": 1 if test.p_value is not None else None,
        "smallest_expected": test.smallest_expected,
        "n_missing": sum(counts[-1]),
        "warning": _warning(test),
        "note": _note(factor, counts, test),
    }
    rows: list[Row] = []
    for level, (yes, no) in zip(factor.levels, ((a, b), (c, d)), strict=True):
        n = yes + no
        rows.append(
            {
                **shared,
                "level": level,
                "n_responders": yes,
                "n_non_responders": no,
                "n": n,
                "pct_responders": 100 * yes / n if n else None,
                "pct_non_responders": 100 * no / n if n else None,
                "display_responders": count_text(yes, n),
                "display_non_responders": count_text(no, n),
            }
        )
    return rows


def _warning(test: TwoByTwo) -> str | None:
    if test.p_value is None or test.smallest_expected >= SMALL_EXPECTED_COUNT:
        return None
    smallest = rounded(test.smallest_expected, 2)
    return f"smallest expected count {smallest} is below 5: read Fisher's exact P"


def _note(factor: Covariate, counts: dict[int, tuple[int, int]], test: TwoByTwo) -> str | None:
    notes: list[str] = []
    if not sum(counts[0]) + sum(counts[1]):
        notes.append(f"no included patient has a value of {factor.name}")
    elif test.p_value is None:
        notes.append("no test: one level or one outcome has no patients")
    if factor.after_time_zero:
        notes.append("known only after the infusion: patients had to live long enough to get there")
    return "; ".join(notes) or None
