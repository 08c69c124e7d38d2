"""Table ``logistic_models``: univariate and forward-selected odds ratios, with what SPSS prints on separation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from analysis_assets.conventions import CONVENTIONS, convention
from analysis_assets.frames import Kind, Row, table
from analysis_assets.logistic import LogisticFit, LogisticSample, fit_logistic, fit_logistic_firth
from analysis_assets.multiplicity import benjamini_hochberg, number
from analysis_assets.protocols import Covariate, Inputs, NotComputableError
from analysis_assets.samples import logistic_sample, require_contrast, require_outcome
from analysis_assets.selection_steps import Selected, selected_logistic
from analysis_assets.separation import logistic_separation
from analysis_assets.shared_samples import shared_samples
from analysis_assets.warnings_of_models import term_columns, warning_columns

if TYPE_CHECKING:
    import pandas as pd

    from study import Study

LOGISTIC_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "outcome": "text",
        "model": "text",
        "term": "text",
        "contrast": "text",
        "odds_ratio": "figure",
        "ci_low": "figure",
        "ci_high": "figure",
        "p_value": "figure",
        "n": "count",
        "n_events": "count",
        "estimator": "text",
        "note": "text",
        "term_label": "text",
        "coefficient": "figure",
        "std_error": "figure",
        "q_value": "figure",
        "ci_method": "text",
        "p_method": "text",
        "events_per_variable": "figure",
        "spss_odds_ratio": "figure",
        "spss_ci_low": "figure",
        "spss_ci_high": "figure",
        "spss_p_value": "figure",
        "warning": "text",
        "convention": "text",
    }
)
UNIVARIATE: Final = "univariate"
MULTIVARIATE: Final = "multivariate"
SPSS_NEWTON_LIMIT: Final = CONVENTIONS["spss"].newton_limit
# SPSS prints no number from here on; the paper has a dash.
SPSS_OVERFLOW: Final = 1e8


def logistic_models(inputs: Inputs, study: Study) -> pd.DataFrame:
    """Return one row per outcome, model and term.

    Models: ``univariate`` (each covariate alone, with the Benjamini-Hochberg q value over the outcome) and
    ``multivariate`` (what forward selection keeps; no rows when it keeps nothing). A separated model carries Firth's
    estimate; the columns ``spss_*`` and the note hold what SPSS prints for it. What can't be fitted is a row with a
    note.
    """
    inputs = shared_samples(inputs, study)
    rows: list[Row] = []
    for outcome in study.models.logistic.endpoints:
        univariate = [
            _univariate_row(inputs, outcome, inputs.covariate(name)) for name in study.models.logistic.covariates
        ]
        q_values = benjamini_hochberg([number(row.get("p_value")) for row in univariate])
        rows.extend({**row, "q_value": q} for row, q in zip(univariate, q_values, strict=True))
        rows.extend(_multivariate(selected_logistic(inputs, study, outcome), outcome))
    return table(rows, LOGISTIC_COLUMNS, convention(study.conventions).name)


def _univariate_row(inputs: Inputs, outcome: str, covariate: Covariate) -> dict[str, object]:
    head: dict[str, object] = {"outcome": outcome, "model": UNIVARIATE}
    try:
        sample = logistic_sample(inputs.binary(outcome, [covariate.name]), [covariate.name])
    except NotComputableError as error:
        return {**head, **term_columns(covariate), "note": str(error)}
    return next(_fitted_rows(head, sample, [covariate]))


def _multivariate(selected: Selected[LogisticSample], outcome: str) -> Iterator[Row]:
    if selected.chosen and selected.sample is not None:
        head = {"outcome": outcome, "model": MULTIVARIATE}
        yield from _fitted_rows(head, selected.sample, selected.chosen, candidates=len(selected.candidates))


def _fitted_rows(
    head: Mapping[str, object], sample: LogisticSample, covariates: Sequence[Covariate], *, candidates: int = 0
) -> Iterator[dict[str, object]]:
    """One row per covariate of one model; rows without figures and with the reason when it can't be fitted."""
    counts = {"n": sample.n, "n_events": sample.n_events}
    try:
        for column, covariate in enumerate(covariates):
            require_contrast(covariate, sample.x[:, column], sample.weight)
        require_outcome(sample.n_events, sample.n, survival=False)
        separation = logistic_separation(sample.achieved, sample.x, sample.weight)
        if separation.redundant.any():
            name = covariates[int(np.argmax(separation.redundant))].name
            raise NotComputableError(f"{name} is a combination of other covariates of the model")
    except NotComputableError as error:
        yield from ({**head, **term_columns(covariate), **counts, "note": str(error)} for covariate in covariates)
        return
    fit = fit_logistic_firth(sample) if separation.separated else fit_logistic(sample)
    spss = fit_logistic(sample, newton_limit=SPSS_NEWTON_LIMIT) if separation.separated else None
    rarer = min(sample.n_events, sample.n - sample.n_events)
    per_variable = rarer / max(candidates, len(covariates))
    for column, covariate in enumerate(covariates):
        position = column + 1
        direction = int(separation.directions[column])
        separated = "" if spss is None else _separation_text(covariate, direction, spss, position)
        yield {
            **head,
            **term_columns(covariate),
            **counts,
            **_figures(fit, position),
            **({} if spss is None else _spss_figures(spss, position)),
            **warning_columns(covariate, per_variable, candidates, separated=separated),
        }


def _ratios(fit: LogisticFit, position: int) -> tuple[float, float, float]:
    with np.errstate(over="ignore"):
        low, high = np.exp(fit.ci_low[position]), np.exp(fit.ci_high[position])
        return float(np.exp(fit.coefficients[position])), float(low), float(high)


def _figures(fit: LogisticFit, position: int) -> dict[str, object]:
    ratio, low, high = _ratios(fit, position)
    firth = fit.estimator == "firth"
    return {
        "odds_ratio": ratio,
        "ci_low": low,
        "ci_high": high,
        "p_value": float(fit.p_values[position]),
        "coefficient": float(fit.coefficients[position]),
        "std_error": float(fit.std_errors[position]),
        "estimator": fit.estimator,
        "ci_method": "profile likelihood" if firth else "Wald",
        "p_method": "penalised likelihood ratio" if firth else "Wald",
    }


def _spss_figures(fit: LogisticFit, position: int) -> dict[str, object]:
    ratio, low, high = _ratios(fit, position)
    return {
        "spss_odds_ratio": ratio,
        "spss_ci_low": low,
        "spss_ci_high": high if np.isfinite(high) else None,
        "spss_p_value": float(fit.p_values[position]),
    }


def _separation_text(covariate: Covariate, direction: int, spss: LogisticFit, position: int) -> str:
    printed = f"SPSS stops after {spss.iterations} Newton steps and prints {_printed(spss, position)}"
    if direction == 0:
        return f"another covariate of the model is separated: Firth's estimate for all; {printed}"
    limit = "infinity" if direction > 0 else "0"
    return (
        f"separated: the maximum likelihood odds ratio of '{covariate.contrast}' is {limit}; Firth's estimate with "
        f"profile likelihood interval; {printed}"
    )


def _printed(fit: LogisticFit, position: int) -> str:
    ratio, low, high = (f"{value:.3f}" if value < SPSS_OVERFLOW else "–" for value in _ratios(fit, position))
    return f"OR {ratio} ({low} to {high}), P {fit.p_values[position]:.3f}"
