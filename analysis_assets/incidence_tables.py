"""Table ``cumulative_incidence``: relapse and death without relapse as competing risks, with their tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from analysis_assets.competing_risks import cumulative_incidence as aalen_johansen
from analysis_assets.competing_risks import fit_fine_gray, gray_test
from analysis_assets.conventions import convention
from analysis_assets.cox import CoxSample
from analysis_assets.frames import Block, Kind, Row, table_of_blocks
from analysis_assets.protocols import (
    COMPETING,
    DAYS_PER_MONTH,
    EVENT,
    MISSING,
    BoolArray,
    Covariate,
    FloatArray,
    Inputs,
    NotComputableError,
    TimeToEvent,
)
from analysis_assets.samples import require_contrast, require_outcome
from analysis_assets.separation import cox_separation
from analysis_assets.shared_samples import shared_samples

if TYPE_CHECKING:
    import pandas as pd

    from study import Study

COMPETING_ENDPOINTS: Final = ("RELAPSE", "NON_RELAPSE_MORTALITY")
METHOD: Final = "Aalen-Johansen, complementary log-log interval"
GRAY: Final = "gray_test"
FINE_GRAY: Final = "fine_gray"

INCIDENCE_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "endpoint": "text",
        "factor": "text",
        "level": "text",
        "time_months": "figure",
        "incidence": "figure",
        "ci_low": "figure",
        "ci_high": "figure",
        "std_error": "figure",
        "time_days": "figure",
        "n_at_risk": "count",
        "n_events": "count",
        "n_competing": "count",
        "ci_method": "text",
        "convention": "text",
    }
)


def cumulative_incidence(inputs: Inputs, study: Study) -> pd.DataFrame:
    """Return one row per competing endpoint, factor, level and distinct follow-up time.

    Incidence is 0 before the first row. An endpoint without patients has no rows; ``model_diagnostics`` says why.
    """
    inputs = shared_samples(inputs, study)
    blocks: list[Block] = []
    for endpoint in COMPETING_ENDPOINTS:
        for factor in ("", *study.models.survival.factors):
            try:
                sample = inputs.time_to_event(endpoint, [factor] if factor else [])
                levels = inputs.covariate(factor).levels if factor else ("",)
            except NotComputableError:
                continue
            for code, level in enumerate(levels):
                kept = sample.levels[factor] == code if factor else np.ones(len(sample.weight), dtype=bool)
                head = {"endpoint": endpoint, "factor": factor, "level": level, "ci_method": METHOD}
                blocks.append({**head, **_points(sample, kept)})
    return table_of_blocks(blocks, INCIDENCE_COLUMNS, convention(study.conventions).name)


def _points(sample: TimeToEvent, kept: BoolArray) -> dict[str, FloatArray]:
    curve = aalen_johansen(sample.time_days[kept], sample.cause[kept], sample.weight[kept])
    low, high = curve.interval()
    return {
        "time_months": curve.time / DAYS_PER_MONTH,
        "incidence": curve.incidence,
        "ci_low": low,
        "ci_high": high,
        "std_error": np.sqrt(curve.variance),
        "time_days": curve.time,
        "n_at_risk": np.rint(curve.n_at_risk),
        "n_events": np.rint(curve.n_events),
        "n_competing": np.rint(curve.n_competing),
    }


@dataclass(frozen=True)
class _Compared:
    """Patients with a known level of one factor, for one competing endpoint."""

    sample: TimeToEvent
    kept: np.ndarray[tuple[int], np.dtype[np.bool_]]
    x: np.ndarray[tuple[int], np.dtype[np.float64]]

    @classmethod
    def load(cls, inputs: Inputs, endpoint: str, covariate: Covariate) -> _Compared:
        sample = inputs.time_to_event(endpoint, [covariate.name])
        kept = np.asarray(sample.levels[covariate.name] != MISSING)
        x = sample.levels[covariate.name][kept].astype(float)
        compared = cls(sample, kept, x)
        require_contrast(covariate, x, sample.weight[kept])
        require_outcome(compared.n_events, round(float(sample.weight[kept].sum())), survival=True)
        return compared

    @property
    def n_events(self) -> int:
        return round(float(self.sample.weight[self.kept & (self.sample.cause == EVENT)].sum()))

    @property
    def separated(self) -> bool:
        """Whether the subdistribution ratio is 0 or infinite: whoever had a competing event stays at risk for ever."""
        cause = self.sample.cause[self.kept]
        stop = np.where(cause == COMPETING, np.inf, self.sample.time_days[self.kept])
        found = cox_separation(CoxSample(stop, cause == EVENT, self.x[:, None], self.sample.weight[self.kept]))
        return found.separated or bool(found.redundant.any())


def competing_risk_tests(inputs: Inputs, study: Study) -> Iterator[Row]:
    """Rows for ``model_diagnostics``: Gray's test and Fine and Gray's ratio per competing endpoint and factor."""
    for endpoint in COMPETING_ENDPOINTS:
        for name in study.models.survival.factors:
            heads = [{"outcome": endpoint, "term": name, "diagnostic": kind} for kind in (GRAY, FINE_GRAY)]
            try:
                covariate = inputs.covariate(name)
                compared = _Compared.load(inputs, endpoint, covariate)
            except NotComputableError as error:
                yield from ({**head, "note": str(error)} for head in heads)
                continue
            yield {**heads[0], **_gray_columns(compared)}
            yield {**heads[1], **_fine_gray_columns(compared, covariate)}


def _gray_columns(compared: _Compared) -> dict[str, object]:
    sample, kept = compared.sample, compared.kept
    test = gray_test(sample.time_days[kept], sample.cause[kept], compared.x.astype(int), sample.weight[kept])
    if not np.isfinite(test.statistic):
        return {
            "df": test.df,
            "note": "not defined: both levels are not under observation together at any event, or all had it",
        }
    return {"statistic": test.statistic, "df": test.df, "p_value": test.p_value}


def _fine_gray_columns(compared: _Compared, covariate: Covariate) -> dict[str, object]:
    if compared.separated:
        note = "separated: the subdistribution hazard ratio has no finite estimate"
        return {"contrast": covariate.contrast, "note": note}
    sample, kept = compared.sample, compared.kept
    fit = fit_fine_gray(sample.time_days[kept], sample.cause[kept], compared.x[:, None], sample.weight[kept])
    if not fit.std_errors[0] > 0:
        return {"contrast": covariate.contrast, "note": "too few patients for a robust variance"}
    statistic = float((fit.coefficients[0] / fit.std_errors[0]) ** 2)
    return {
        "statistic": statistic,
        "df": 1,
        "p_value": fit.p_values[0],
        "contrast": covariate.contrast,
        "estimate": float(np.exp(fit.coefficients[0])),
        "ci_low": float(np.exp(fit.ci_low[0])),
        "ci_high": float(np.exp(fit.ci_high[0])),
        "note": "subdistribution hazard ratio, robust Wald test",
    }
