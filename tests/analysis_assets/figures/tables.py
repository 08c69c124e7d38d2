"""Analysis tables for figures, of as many patients as a test wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis_assets import adverse_event_rates, baseline, cohort_flow, rates
from analysis_assets.conventions import convention
from analysis_assets.inputs import StudyInputs
from analysis_assets.protocols import DAYS_PER_MONTH
from analysis_assets.survival import kaplan_meier, log_rank, quantile_with_interval, survival_interval
from study import Study
from tests.analysis_assets.marts_fixture import resized_marts

SPSS = convention("spss")


@dataclass(frozen=True)
class Tables:
    """What the figures are drawn from."""

    n: int
    curves: pd.DataFrame
    summary: pd.DataFrame
    tests: pd.DataFrame
    response_rates: pd.DataFrame
    response_times: pd.DataFrame
    response_days: pd.DataFrame
    adverse_events: pd.DataFrame
    flow: pd.DataFrame
    lanes: pd.DataFrame


def tables(n: int) -> Tables:
    study = Study()
    inputs = StudyInputs(resized_marts(n).connection, study)
    parts = [
        survival_tables(inputs, endpoint, factor)
        for endpoint in ("EFS", "OS")
        for factor in ("", "cart_target", "bridged_to_hsct", "wbc")
    ]
    return Tables(
        n=n,
        curves=pd.concat([part[0] for part in parts], ignore_index=True),
        summary=pd.concat([part[1] for part in parts], ignore_index=True),
        tests=pd.concat([part[2] for part in parts], ignore_index=True),
        response_rates=rates.response_rates(inputs, study),
        response_times=baseline.response_times(inputs, study),
        response_days=baseline.response_time_distribution(inputs, study),
        adverse_events=adverse_event_rates.adverse_event_rates(inputs, study),
        flow=cohort_flow.cohort_flow(inputs, study),
        lanes=inputs.swimmer_lanes(300),
    )


def survival_tables(inputs: StudyInputs, endpoint: str, factor: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    sample = inputs.time_to_event(endpoint, [factor] if factor else [])
    codes = sample.levels[factor] if factor else np.zeros(len(sample.weight), dtype=np.int8)
    names: Sequence[str] = inputs.covariate(factor).levels if factor else ("",)
    curves, summary = [], []
    for code, level in enumerate(names):
        member = codes == code
        if not member.any():
            continue
        curve = kaplan_meier(sample.time_days[member], sample.event[member], sample.weight[member])
        low, high = survival_interval(curve.survival, curve.std_error, SPSS.km_interval)
        median = quantile_with_interval(curve, SPSS)
        key = {"endpoint": endpoint, "factor": factor, "level": level}
        curves.append(
            pd.DataFrame(
                {
                    **key,
                    "time_months": curve.time / DAYS_PER_MONTH,
                    "n_at_risk": curve.n_at_risk,
                    "n_events": curve.n_events,
                    "n_censored": curve.n_censored,
                    "survival": curve.survival,
                    "std_error": curve.std_error,
                    "ci_low": low,
                    "ci_high": high,
                    "convention": "spss",
                }
            )
        )
        summary.append(
            {
                **key,
                "n": curve.n,
                "n_events": curve.total_events,
                "median_months": median.value / DAYS_PER_MONTH,
                "median_ci_low": median.ci_low / DAYS_PER_MONTH,
                "median_ci_high": median.ci_high / DAYS_PER_MONTH,
                "convention": "spss",
            }
        )
    test = log_rank(sample.time_days, sample.event, codes, sample.weight)
    tests = pd.DataFrame([{"endpoint": endpoint, "factor": factor, "p_value": test.p_value, "convention": "spss"}])
    return pd.concat(curves, ignore_index=True), pd.DataFrame(summary), tests


def cox_models(rows: int) -> pd.DataFrame:
    """Rows of every kind that a forest plot meets: plain, separated, not estimable, off the axis."""
    study = Study()
    generator = np.random.default_rng(7)
    records = []
    for position in range(rows):
        covariate = study.covariates[position % len(study.covariates)]
        log_ratio, error = generator.normal(0, 0.6), generator.uniform(0.2, 0.8)
        records.append(
            _model_row("univariate" if position < rows - 2 else "multivariate", covariate.name, covariate.levels)
            | {
                "hazard_ratio": np.exp(log_ratio),
                "ci_low": np.exp(log_ratio - 1.96 * error),
                "ci_high": np.exp(log_ratio + 1.96 * error),
                "p_value": generator.uniform(0.0001, 1),
            }
        )
    records[0] |= {"estimator": "firth", "hazard_ratio": 0.12, "ci_low": 0.0009, "ci_high": 1.4, "p_value": 0.11}
    if rows > 2:
        records[1] |= {"hazard_ratio": np.nan, "ci_low": np.nan, "ci_high": np.nan, "p_value": np.nan}
        records[2] |= {"hazard_ratio": 240.0, "ci_low": 60.0, "ci_high": 12345.0, "p_value": 0.0001}
    return pd.DataFrame(records)


def _model_row(model: str, term: str, levels: Sequence[str]) -> dict[str, object]:
    contrast = f"{levels[1]} vs {levels[0]}"
    return {
        "endpoint": "EFS",
        "model": model,
        "term": term,
        "contrast": contrast,
        "estimator": "mle",
        "convention": "spss",
    }


def incidence(n: int, levels: Sequence[str] = ("",)) -> pd.DataFrame:
    """Cumulative incidence rows with ``n`` times per curve."""
    factor = "wbc" if levels != ("",) else ""
    frames = []
    for endpoint, end in (("RELAPSE", 0.4), ("NON_RELAPSE_MORTALITY", 0.15)):
        for shift, level in enumerate(levels):
            value = np.linspace(0, end + 0.1 * shift, n)
            frames.append(
                pd.DataFrame(
                    {
                        "endpoint": endpoint,
                        "factor": factor,
                        "level": level,
                        "time_months": np.linspace(0.5, 30, n),
                        "incidence": value,
                        "ci_low": value * 0.6,
                        "ci_high": np.minimum(value * 1.5, 1),
                        "convention": "spss",
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def long_flow() -> pd.DataFrame:
    """Every criterion of the study file excludes somebody."""
    criteria = (
        "no CAR-T infusion recorded",
        "infused outside the study period (2015-08-01 to 2018-05-31)",
        "no diagnosis with a code beginning C91.0",
        "immunophenotype is not CD19+",
        "a lymphoma diagnosis (C81, C82, C83, C84 or C85)",
        "neither relapsed nor refractory before the infusion",
    )
    rows = [{"step": 0, "criterion": "patients known", "n_excluded": 0, "n_remaining": 1_000_000}]
    for step, criterion in enumerate(criteria, start=1):
        rows.append(
            {
                "step": step,
                "criterion": criterion,
                "n_excluded": 1000 * step,
                "n_remaining": rows[-1]["n_remaining"] - 1000 * step,
            }
        )
    return pd.DataFrame(rows)
