"""Table ``cox_models``: univariate, forward-selected, landmark and time-dependent hazard ratios."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from analysis_assets.conventions import Convention, convention
from analysis_assets.cox import CoxFit, CoxSample, fit_cox, fit_cox_firth
from analysis_assets.frames import Kind, Row, table
from analysis_assets.multiplicity import benjamini_hochberg, number
from analysis_assets.protocols import Covariate, Inputs, NotComputableError, SwitchTimes
from analysis_assets.samples import complete_switch_times, cox_sample, require_contrast, require_outcome
from analysis_assets.selection_steps import Selected, selected_cox
from analysis_assets.separation import Separation, cox_separation
from analysis_assets.shared_samples import shared_samples
from analysis_assets.time_dependent import LANDMARK_DAYS, counting_process, landmark
from analysis_assets.warnings_of_models import term_columns, warning_columns

if TYPE_CHECKING:
    import pandas as pd

    from study import Study

COX_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "endpoint": "text",
        "model": "text",
        "term": "text",
        "contrast": "text",
        "hazard_ratio": "figure",
        "ci_low": "figure",
        "ci_high": "figure",
        "p_value": "figure",
        "n": "count",
        "n_events": "count",
        "ties": "text",
        "estimator": "text",
        "note": "text",
        "term_label": "text",
        "coefficient": "figure",
        "std_error": "figure",
        "q_value": "figure",
        "ci_method": "text",
        "p_method": "text",
        "events_per_variable": "figure",
        "warning": "text",
        "convention": "text",
    }
)
UNIVARIATE: Final = "univariate"
MULTIVARIATE: Final = "multivariate"
TIME_DEPENDENT: Final = "time_dependent"
MULTIVARIATE_TIME_DEPENDENT: Final = "multivariate_time_dependent"
CHANGES_ON_ITS_DAY: Final = "covariate changes on its day (counting process)"


def fit_model(sample: CoxSample, covariates: Sequence[Covariate], rules: Convention) -> tuple[CoxFit, Separation]:
    """Maximum likelihood where it exists, Firth's estimate where the data are separated.

    Raises:
        NotComputableError: The sample says nothing on some covariate; the text says why.
    """
    for column, covariate in enumerate(covariates):
        require_contrast(covariate, sample.x[:, column], sample.weight)
    require_outcome(sample.n_events, sample.n, survival=True)
    separation = cox_separation(sample)
    if separation.redundant.any():
        name = covariates[int(np.argmax(separation.redundant))].name
        raise NotComputableError(f"{name} does not vary among the patients at risk at any event")
    return (fit_cox_firth if separation.separated else fit_cox)(sample, rules.ties), separation


def cox_models(inputs: Inputs, study: Study) -> pd.DataFrame:
    """Return one row per endpoint, model and term.

    Models: ``univariate`` (each covariate of the study alone, with the Benjamini-Hochberg q value over the endpoint),
    ``multivariate`` (what forward selection keeps; no rows when it keeps nothing, ``selection_steps`` says why), and
    for each covariate known only after time zero ``landmark_60d``, ``landmark_100d`` and ``time_dependent``. Where the
    selected model holds such a covariate beside others, ``multivariate_time_dependent`` is the same model of the same
    patients with it changing on its day. A model that can't be fitted is a row without figures whose ``note`` says why.
    """
    inputs = shared_samples(inputs, study)
    rules = convention(study.conventions)
    rows: list[Row] = []
    for endpoint in study.models.cox.endpoints:
        rows.extend(_univariate(inputs, study, endpoint, rules))
        selected = selected_cox(inputs, study, endpoint)
        rows.extend(_multivariate(selected, endpoint, rules))
        rows.extend(_multivariate_time_dependent(inputs, selected, endpoint, rules))
        for name in study.models.cox.covariates:
            covariate = inputs.covariate(name)
            if covariate.after_time_zero:
                rows.extend(_after_time_zero(inputs, endpoint, covariate, rules))
    return table(rows, COX_COLUMNS, rules.name)


def _univariate(inputs: Inputs, study: Study, endpoint: str, rules: Convention) -> list[Row]:
    rows = [_univariate_row(inputs, endpoint, inputs.covariate(name), rules) for name in study.models.cox.covariates]
    q_values = benjamini_hochberg([number(row.get("p_value")) for row in rows])
    return [{**row, "q_value": q} for row, q in zip(rows, q_values, strict=True)]


def _univariate_row(inputs: Inputs, endpoint: str, covariate: Covariate, rules: Convention) -> dict[str, object]:
    head = _head(endpoint, UNIVARIATE, covariate, rules)
    try:
        sample = cox_sample(inputs.time_to_event(endpoint, [covariate.name]), [covariate.name])
    except NotComputableError as error:
        return {**head, "note": str(error)}
    return next(_fitted_rows(head, sample, [covariate], rules))


def _multivariate(selected: Selected[CoxSample], endpoint: str, rules: Convention) -> Iterator[Row]:
    if not selected.chosen or selected.sample is None:
        return
    head = {"endpoint": endpoint, "model": MULTIVARIATE, "ties": rules.ties}
    yield from _fitted_rows(head, selected.sample, selected.chosen, rules, candidates=len(selected.candidates))


def _multivariate_time_dependent(
    inputs: Inputs, selected: Selected[CoxSample], endpoint: str, rules: Convention
) -> Iterator[Row]:
    late = next((covariate for covariate in selected.chosen if covariate.after_time_zero), None)
    others = [covariate for covariate in selected.chosen if covariate is not late]
    if late is None or not others:
        return
    covariates = [late, *others]
    head = {"endpoint": endpoint, "model": MULTIVARIATE_TIME_DEPENDENT, "ties": rules.ties}
    try:
        times = inputs.counting_process(endpoint, late.name, [candidate.name for candidate in selected.candidates])
    except NotComputableError as error:
        yield from ({**head, **term_columns(covariate), "note": str(error)} for covariate in covariates)
        return
    times = complete_switch_times(times)  # the selection's patients: every candidate is known
    times = replace(times, levels={other.name: times.levels[other.name] for other in others})
    note = f"{late.name}: {CHANGES_ON_ITS_DAY}"
    candidates = len(selected.candidates)
    sample = counting_process(times)
    for row in _fitted_rows(head, sample, covariates, rules, candidates=candidates, note=note, dated=(late.name,)):
        yield {**row, "n": _patients(times)}


def _after_time_zero(inputs: Inputs, endpoint: str, covariate: Covariate, rules: Convention) -> Iterator[Row]:
    models = [f"landmark_{day}d" for day in LANDMARK_DAYS] + [TIME_DEPENDENT]
    heads = [_head(endpoint, model, covariate, rules) for model in models]
    try:
        times = inputs.counting_process(endpoint, covariate.name)
    except NotComputableError as error:
        yield from ({**head, "note": str(error)} for head in heads)
        return
    for head, day in zip(heads, LANDMARK_DAYS, strict=False):
        sample = landmark(times, day)
        left = _patients(times) - sample.n
        note = f"status on day {day}; {left} patients whose follow-up had ended by then left out"
        yield next(_fitted_rows(head, sample, [covariate], rules, note=note, dated=(covariate.name,)))
    split = counting_process(times)
    for row in _fitted_rows(heads[-1], split, [covariate], rules, note=CHANGES_ON_ITS_DAY, dated=(covariate.name,)):
        yield {**row, "n": _patients(times)}


def _patients(times: SwitchTimes) -> int:
    return round(float(times.weight.sum()))


def _head(endpoint: str, model: str, covariate: Covariate, rules: Convention) -> dict[str, object]:
    return {
        "endpoint": endpoint,
        "model": model,
        **term_columns(covariate),
        "ties": rules.ties,
    }


def _fitted_rows(
    head: Mapping[str, object],
    sample: CoxSample,
    covariates: Sequence[Covariate],
    rules: Convention,
    *,
    candidates: int = 0,
    note: str = "",
    dated: Sequence[str] = (),
) -> Iterator[dict[str, object]]:
    """One row per covariate of one model; rows without figures and with the reason when it can't be fitted.

    ``dated`` names the covariates that the model takes as known from their day on, not from day 0.
    """
    counts = {"n": sample.n, "n_events": sample.n_events}
    try:
        fit, separation = fit_model(sample, covariates, rules)
    except NotComputableError as error:
        for covariate in covariates:
            yield {**head, **term_columns(covariate), **counts, "note": "; ".join(filter(None, (str(error), note)))}
        return
    per_variable = sample.n_events / max(candidates, len(covariates))
    for column, covariate in enumerate(covariates):
        separated = _separation_text(covariate, int(separation.directions[column])) if separation.separated else ""
        yield {
            **head,
            **term_columns(covariate),
            **counts,
            **_figures(fit, column),
            **warning_columns(covariate, per_variable, candidates, separated=separated, dated=dated, note=note),
        }


def _figures(fit: CoxFit, column: int) -> dict[str, object]:
    with np.errstate(over="ignore"):
        ratios = np.exp([fit.coefficients[column], fit.ci_low[column], fit.ci_high[column]])
    firth = fit.estimator == "firth"
    return {
        "hazard_ratio": ratios[0],
        "ci_low": ratios[1],
        "ci_high": ratios[2],
        "p_value": fit.p_values[column],
        "coefficient": fit.coefficients[column],
        "std_error": fit.std_errors[column],
        "estimator": fit.estimator,
        "ci_method": "profile likelihood" if firth else "Wald",
        "p_method": "penalised likelihood ratio" if firth else "Wald",
    }


def _separation_text(covariate: Covariate, direction: int) -> str:
    if direction == 0:
        return "another covariate of the model is separated: Firth's estimate for all"
    limit = "infinity" if direction > 0 else "0"
    return (
        f"separated: the maximum likelihood hazard ratio of '{covariate.contrast}' is {limit}; "
        "Firth's estimate with profile likelihood interval"
    )
