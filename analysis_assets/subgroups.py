"""Response by subgroup: Pearson's chi-square and Fisher's exact test of each yes/no endpoint by each factor (Table 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from analysis_assets.conventions import Convention, convention
from analysis_assets.inputs import StudyInputs
from analysis_assets.protocols import Covariate, NotComputableError
from analysis_assets.rates import SMALL_EXPECTED_COUNT, TwoByTwo, count_text, rounded, two_by_two

if TYPE_CHECKING:
    import pandas as pd

    from study import Study

SUBGROUP_COLUMNS: Final = (
    "endpoint",
    "factor",
    "level",
    "n_responders",
    "n_non_responders",
    "p_value",
    "test",
    "p_fisher",
    "factor_label",
    "n",
    "pct_responders",
    "pct_non_responders",
    "display_responders",
    "display_non_responders",
    "statistic",
    "df",
    "smallest_expected",
    "n_missing",
    "convention",
    "warning",
    "note",
)
PEARSON: Final = "Pearson chi-square"
PEARSON_CORRECTED: Final = "Pearson chi-square with Yates' correction"


def subgroup_response(inputs: StudyInputs, study: Study) -> pd.DataFrame:
    """Return one row per endpoint, factor and level; the tests of a factor stand on both of its rows.

    Percentages are within the level. Patients without a value of the factor are counted in ``n_missing`` and take no part
    in its test. ``warning`` is set where an expected count is below 5.
    """
    import pandas as pd

    rules = convention(study.conventions)
    factors = study.models.subgroups.factors
    rows: list[dict[str, object]] = []
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
    frame = pd.DataFrame(rows, columns=list(SUBGROUP_COLUMNS)).assign(convention=rules.name)
    counted = ["n_responders", "n_non_responders", "n", "n_missing", "df"]
    figures = ["p_value", "p_fisher", "pct_responders", "pct_non_responders", "statistic", "smallest_expected"]
    return frame.astype(dict.fromkeys(counted, "Int64") | dict.fromkeys(figures, float))


def _factor_rows(
    endpoint: str, factor: Covariate, counts: dict[int, tuple[int, int]], rules: Convention
) -> list[dict[str, object]]:
    (a, b), (c, d) = counts[0], counts[1]
    test = two_by_two(a, b, c, d, yates=rules.chi_square_correction)
    shared: dict[str, object] = {
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
    rows: list[dict[str, object]] = []
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
