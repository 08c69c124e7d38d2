"""Table ``selection_steps`` and the models that forward selection ends with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from analysis_assets.conventions import convention
from analysis_assets.cox import CoxSample
from analysis_assets.frames import Kind, Row, table
from analysis_assets.logistic import LogisticSample
from analysis_assets.protocols import Covariate, Inputs, NotComputableError
from analysis_assets.samples import cox_sample, logistic_sample, require_outcome, usable_candidates
from analysis_assets.selection import CoxFamily, Family, LogisticFamily, Selection, Step, forward_conditional
from analysis_assets.shared_samples import shared_samples

if TYPE_CHECKING:
    import pandas as pd

    from study import Study

SELECTION_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "outcome": "text",
        "model_family": "text",
        "step": "count",
        "action": "text",
        "term": "text",
        "statistic": "figure",
        "df": "count",
        "p_value": "figure",
        "test": "text",
        "terms_in_model": "text",
        "log_likelihood": "figure",
        "n": "count",
        "n_events": "count",
        "n_incomplete": "count",
        "convention": "text",
        "note": "text",
    }
)
COX: Final = "cox"
LOGISTIC: Final = "logistic"
TESTS: Final[Mapping[str, str]] = MappingProxyType(
    {"enter": "score", "remove": "conditional likelihood ratio", "stop": "score"}
)


@dataclass(frozen=True)
class Selected:
    """A selection over one outcome.

    Attributes:
        candidates: Covariates that could enter.
        chosen: Covariates of the final model, in order of entry.
        selection: The steps, None when nothing could be selected from.
        cox: Complete cases over all candidates, with the chosen covariates (Cox regression).
        logistic: The same for logistic regression.
        n: Complete cases.
        n_events: Events among them.
        n_incomplete: Patients left out because a candidate is not known.
        remarks: Why candidates were left out, or why there is no selection.
    """

    candidates: tuple[Covariate, ...] = ()
    chosen: tuple[Covariate, ...] = ()
    selection: Selection | None = None
    cox: CoxSample | None = None
    logistic: LogisticSample | None = None
    n: int | None = None
    n_events: int | None = None
    n_incomplete: int | None = None
    remarks: tuple[str, ...] = ()


def selected_cox(inputs: Inputs, study: Study, endpoint: str) -> Selected:
    """Run forward selection for one time-to-event endpoint over the complete cases of all candidates.

    Three tables need the answer; shared samples keep it.
    """
    shared, settings = shared_samples(inputs, study), study.models.cox
    key = ("selected_cox", endpoint, study.conventions, settings)
    return shared.once(key, lambda: _select_cox(shared, study, endpoint))


def _select_cox(inputs: Inputs, study: Study, endpoint: str) -> Selected:
    settings = study.models.cox
    try:
        source = inputs.time_to_event(endpoint, settings.covariates)
        covariates = [inputs.covariate(name) for name in settings.covariates]
    except NotComputableError as error:
        return Selected(remarks=(str(error),))
    usable, remarks = usable_candidates(source.levels, source.weight, covariates)
    if not usable:
        return Selected(remarks=(*remarks, "no candidate with patients at both levels"))
    sample = cox_sample(source, [covariate.name for covariate in usable])
    selected = Selected(tuple(usable), n=sample.n, n_events=sample.n_events, n_incomplete=source.n - sample.n)
    try:
        require_outcome(sample.n_events, sample.n, survival=True)
    except NotComputableError as error:
        return replace(selected, remarks=(*remarks, f"complete cases: {error}"))
    family = CoxFamily(sample, convention(study.conventions).ties)
    selected = _chosen(selected, family, settings.entry, settings.removal, remarks)
    columns = [usable.index(covariate) for covariate in selected.chosen]
    return replace(selected, cox=sample.columns(columns))


def selected_logistic(inputs: Inputs, study: Study, endpoint: str) -> Selected:
    """Run forward selection for one yes/no endpoint over the complete cases of all candidates."""
    shared, settings = shared_samples(inputs, study), study.models.logistic
    return shared.once(("selected_logistic", endpoint, settings), lambda: _select_logistic(shared, study, endpoint))


def _select_logistic(inputs: Inputs, study: Study, endpoint: str) -> Selected:
    settings = study.models.logistic
    try:
        source = inputs.binary(endpoint, settings.covariates)
        covariates = [inputs.covariate(name) for name in settings.covariates]
    except NotComputableError as error:
        return Selected(remarks=(str(error),))
    usable, remarks = usable_candidates(source.levels, source.weight, covariates)
    if not usable:
        return Selected(remarks=(*remarks, "no candidate with patients at both levels"))
    sample = logistic_sample(source, [covariate.name for covariate in usable])
    selected = Selected(tuple(usable), n=sample.n, n_events=sample.n_events, n_incomplete=source.n - sample.n)
    try:
        require_outcome(sample.n_events, sample.n, survival=False)
    except NotComputableError as error:
        return replace(selected, remarks=(*remarks, f"complete cases: {error}"))
    selected = _chosen(selected, LogisticFamily(sample), settings.entry, settings.removal, remarks)
    columns = [usable.index(covariate) for covariate in selected.chosen]
    return replace(selected, logistic=sample.columns(columns))


def _chosen(selected: Selected, family: Family, entry: float, removal: float, remarks: Sequence[str]) -> Selected:
    selection = forward_conditional(family, list(range(len(selected.candidates))), entry, removal)
    chosen = tuple(selected.candidates[column] for column in selection.chosen)
    return replace(selected, chosen=chosen, selection=selection, remarks=tuple(remarks))


def selection_steps(inputs: Inputs, study: Study) -> pd.DataFrame:
    """Return one row per outcome, model family and step of the forward selections.

    ``stop`` names the best candidate left outside, with its score test. A selection that could not begin is one row
    with action ``stop``, step 0 and the reason.
    """
    inputs = shared_samples(inputs, study)
    rows: list[Row] = []
    for endpoint in study.models.cox.endpoints:
        rows.extend(_rows(endpoint, COX, selected_cox(inputs, study, endpoint)))
    for outcome in study.models.logistic.endpoints:
        rows.extend(_rows(outcome, LOGISTIC, selected_logistic(inputs, study, outcome)))
    return table(rows, SELECTION_COLUMNS, convention(study.conventions).name)


def _rows(outcome: str, family: str, selected: Selected) -> Iterator[Row]:
    head = {
        "outcome": outcome,
        "model_family": family,
        "n": selected.n,
        "n_events": selected.n_events,
        "n_incomplete": selected.n_incomplete,
    }
    remarks = "; ".join(selected.remarks)
    if selected.selection is None:
        yield {**head, "step": 0, "action": "stop", "note": remarks or None}
        return
    for step in selected.selection.steps:
        yield {**head, **_step_columns(step, selected), "note": "; ".join(filter(None, (step.note, remarks))) or None}


def _step_columns(step: Step, selected: Selected) -> dict[str, object]:
    columns: dict[str, object] = {
        "step": step.number,
        "action": step.action,
        "terms_in_model": " + ".join(selected.candidates[column].name for column in step.model),
        "log_likelihood": step.log_likelihood,
    }
    if step.column is not None:
        columns["term"] = selected.candidates[step.column].name
    if step.test is not None:
        columns |= {
            "statistic": step.test.statistic,
            "df": step.test.df,
            "p_value": step.test.p_value,
            "test": TESTS[step.action],
        }
    return columns
