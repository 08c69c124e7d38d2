"""Table ``model_diagnostics``: what a reader should know before believing a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from analysis_assets.conventions import Convention, convention
from analysis_assets.cox import ChiSquareTest, CoxSample, proportionality
from analysis_assets.cox_models import MULTIVARIATE, UNIVARIATE, fit_model
from analysis_assets.frames import Kind, Row, table
from analysis_assets.incidence_tables import competing_risk_tests
from analysis_assets.logistic import LogisticSample, fit_logistic
from analysis_assets.protocols import Covariate, Inputs, NotComputableError
from analysis_assets.samples import cox_sample, logistic_sample, require_contrast, require_outcome
from analysis_assets.selection_steps import selected_cox, selected_logistic
from analysis_assets.separation import Separation, logistic_separation
from analysis_assets.shared_samples import shared_samples
from analysis_assets.warnings_of_models import low_events_text, too_few_events

if TYPE_CHECKING:
    import pandas as pd

    from study import Study

DIAGNOSTICS_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "outcome": "text",
        "term": "text",
        "diagnostic": "text",
        "statistic": "figure",
        "df": "count",
        "p_value": "figure",
        "note": "text",
        "model_family": "text",
        "model": "text",
        "contrast": "text",
        "estimate": "figure",
        "ci_low": "figure",
        "ci_high": "figure",
        "convention": "text",
    }
)
# The whole model, not one of its terms.
GLOBAL: Final = "GLOBAL"
PROPORTIONAL_HAZARDS: Final = "proportional_hazards"
SEPARATION: Final = "separation"
EVENTS_PER_VARIABLE: Final = "events_per_variable"
COX: Final = "cox"
LOGISTIC: Final = "logistic"
COMPETING_RISKS: Final = "competing_risks"
SCHOENFELD_NOTE: Final = "Schoenfeld score test, time transformed by 1 - S(t)"


def model_diagnostics(inputs: Inputs, study: Study) -> pd.DataFrame:
    """Return one row per outcome, model, term and diagnostic.

    ``proportional_hazards``: Schoenfeld score test per term and, with term GLOBAL, of the whole model.
    ``events_per_variable``: the ratio in ``statistic`` (selected models: per candidate), a warning in ``note`` below
    10.
    ``separation``: one row per term without a finite maximum likelihood estimate. ``score``, ``likelihood_ratio``,
    ``wald``: tests of the whole selected model. ``gray_test`` and ``fine_gray``: competing risks by factor.
    """
    inputs = shared_samples(inputs, study)
    rules = convention(study.conventions)
    rows: list[Row] = []
    for endpoint in study.models.cox.endpoints:
        rows.extend(_cox_rows(inputs, study, endpoint, rules))
    for outcome in study.models.logistic.endpoints:
        rows.extend(_logistic_rows(inputs, study, outcome))
    rows.extend({**row, "model_family": COMPETING_RISKS} for row in competing_risk_tests(inputs, study))
    return table(rows, DIAGNOSTICS_COLUMNS, rules.name)


def _cox_rows(inputs: Inputs, study: Study, endpoint: str, rules: Convention) -> Iterator[Row]:
    for name in study.models.cox.covariates:
        head = {"outcome": endpoint, "model_family": COX, "model": UNIVARIATE}
        try:
            covariate = inputs.covariate(name)
            sample = cox_sample(inputs.time_to_event(endpoint, [name]), [name])
            rows = list(_cox_model_rows(head, sample, [covariate], rules, candidates=0))
        except NotComputableError as error:
            rows = [{**head, "term": name, "diagnostic": PROPORTIONAL_HAZARDS, "note": str(error)}]
        yield from rows
    selected = selected_cox(inputs, study, endpoint)
    head = {"outcome": endpoint, "model_family": COX, "model": MULTIVARIATE}
    if selected.chosen and selected.sample is not None:
        yield from _cox_model_rows(head, selected.sample, selected.chosen, rules, candidates=len(selected.candidates))


def _cox_model_rows(
    head: Mapping[str, object],
    sample: CoxSample,
    covariates: Sequence[Covariate],
    rules: Convention,
    *,
    candidates: int,
) -> Iterator[Row]:
    fit, separation = fit_model(sample, covariates, rules)
    yield _events_row(head, covariates, sample.n_events, candidates)
    yield from _separation_rows(head, covariates, separation)
    if separation.separated:
        return
    tests = proportionality(sample, rules.ties, fit)
    for covariate, test in zip(covariates, tests.covariates, strict=True):
        columns = {"term": covariate.name, "contrast": covariate.contrast, "note": SCHOENFELD_NOTE}
        yield {**head, "diagnostic": PROPORTIONAL_HAZARDS, **columns, **_test(test)}
    if head["model"] == MULTIVARIATE:
        yield {
            **head,
            "term": GLOBAL,
            "diagnostic": PROPORTIONAL_HAZARDS,
            **_test(tests.overall),
            "note": SCHOENFELD_NOTE,
        }
        for name, test in (
            ("score", fit.score_test),
            ("likelihood_ratio", fit.likelihood_ratio_test),
            ("wald", fit.wald_test),
        ):
            yield {**head, "term": GLOBAL, "diagnostic": name, **_test(test)}


def _logistic_rows(inputs: Inputs, study: Study, outcome: str) -> Iterator[Row]:
    for name in study.models.logistic.covariates:
        head = {"outcome": outcome, "model_family": LOGISTIC, "model": UNIVARIATE}
        try:
            covariate = inputs.covariate(name)
            sample = logistic_sample(inputs.binary(outcome, [name]), [name])
            require_contrast(covariate, sample.x[:, 0], sample.weight)
            require_outcome(sample.n_events, sample.n, survival=False)
        except NotComputableError as error:
            yield {**head, "term": name, "diagnostic": EVENTS_PER_VARIABLE, "note": str(error)}
            continue
        yield from _logistic_model_rows(head, sample, [covariate], candidates=0)
    selected = selected_logistic(inputs, study, outcome)
    if selected.chosen and selected.sample is not None:
        head = {"outcome": outcome, "model_family": LOGISTIC, "model": MULTIVARIATE}
        yield from _logistic_model_rows(head, selected.sample, selected.chosen, candidates=len(selected.candidates))


def _logistic_model_rows(
    head: Mapping[str, object], sample: LogisticSample, covariates: Sequence[Covariate], *, candidates: int
) -> Iterator[Row]:
    rarer = min(sample.n_events, sample.n - sample.n_events)
    yield _events_row(head, covariates, rarer, candidates)
    separation = logistic_separation(sample.achieved, sample.x, sample.weight)
    yield from _separation_rows(head, covariates, separation)
    if head["model"] == MULTIVARIATE and not separation.separated:
        test = fit_logistic(sample).likelihood_ratio_test
        yield {**head, "term": GLOBAL, "diagnostic": "likelihood_ratio", **_test(test)}


def _events_row(head: Mapping[str, object], covariates: Sequence[Covariate], events: int, candidates: int) -> Row:
    per_variable = events / max(candidates, len(covariates))
    term = covariates[0].name if head["model"] == UNIVARIATE else GLOBAL
    note = low_events_text(per_variable, candidates) if too_few_events(per_variable) else None
    return {**head, "term": term, "diagnostic": EVENTS_PER_VARIABLE, "statistic": per_variable, "note": note}


def _separation_rows(
    head: Mapping[str, object], covariates: Sequence[Covariate], separation: Separation
) -> Iterator[Row]:
    kind = "complete" if separation.complete else "quasi-complete"
    what = "monotone likelihood" if head["model_family"] == COX else f"{kind} separation"
    for covariate, direction in zip(covariates, separation.directions, strict=True):
        if direction:
            end = "plus infinity" if direction > 0 else "minus infinity"
            note = f"{what}: the maximum likelihood coefficient runs to {end}"
            yield {
                **head,
                "term": covariate.name,
                "contrast": covariate.contrast,
                "diagnostic": SEPARATION,
                "statistic": float(direction),
                "note": note,
            }


def _test(test: ChiSquareTest) -> dict[str, object]:
    return {"statistic": test.statistic, "df": test.df, "p_value": test.p_value}
