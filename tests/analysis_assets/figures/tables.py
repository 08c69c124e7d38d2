"""Analysis tables for figures, of as many patients as a test wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis_assets import adverse_event_rates, baseline, cohort_flow, incidence_tables, km_tables, rates
from analysis_assets.inputs import StudyInputs
from study import Study
from tests.analysis_assets.marts_fixture import resized_marts


@dataclass(frozen=True)
class Tables:
    """What the figures are drawn from."""

    n: int
    curves: pd.DataFrame
    summary: pd.DataFrame
    tests: pd.DataFrame
    incidence: pd.DataFrame
    response_rates: pd.DataFrame
    response_times: pd.DataFrame
    response_days: pd.DataFrame
    adverse_events: pd.DataFrame
    flow: pd.DataFrame
    lanes: pd.DataFrame


def tables(n: int) -> Tables:
    study = Study()
    inputs = StudyInputs(resized_marts(n).connection, study)
    return Tables(
        n=n,
        curves=km_tables.km_curves(inputs, study),
        summary=km_tables.km_summary(inputs, study),
        tests=km_tables.logrank_tests(inputs, study),
        incidence=incidence_tables.cumulative_incidence(inputs, study),
        response_rates=rates.response_rates(inputs, study),
        response_times=baseline.response_times(inputs, study),
        response_days=baseline.response_time_distribution(inputs, study),
        adverse_events=adverse_event_rates.adverse_event_rates(inputs, study),
        flow=cohort_flow.cohort_flow(inputs, study),
        lanes=inputs.swimmer_lanes(300),
    )


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
    records[-1] |= {"note": "1.1 events per candidate variable; immortal-time bias: known only after the infusion"}
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


def long_flow() -> pd.DataFrame:
    """Every criterion of the study file excludes somebody."""
    criteria = (
        "CAR-T infusion with a date",
        "diagnosis CD19+ C91.0",
        "relapsed or refractory before the infusion, by induction failure, persistent MRD or relapse",
        "infused from 2015-08-01 to 2018-05-31",
        "no diagnosis C81, C82, C83, C84, C85",
        "follow-up after the infusion",
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
