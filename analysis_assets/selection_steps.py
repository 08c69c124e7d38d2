"""Table ``selection_steps`` and the models that forward selection ends with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from analysis_assets.conventions import convention
from analysis_assets.cox import CoxSample
from analysis_assets.frames import Kind, Row, table
from analysis_assets.logistic import LogisticSample
from analysis_assets.protocols import Binary, Covariate, Inputs, NotComputableError, TimeToEvent
from analysis_assets.samples import cox_sample, logistic_sample, require_outcome, usable_candidates
from analysis_assets.selection import CoxFamily, Family, LogisticFamily, Selection, Step, forward_conditional
from analysis_assets.shared_samples import shared_samples

if TYPE_CHECKING:
    import pandas as pd

    from study import Study
    from study.models import CoxModels, LogisticModels

Sample = TypeVar("Sample", CoxSample, LogisticSample)
Source = TypeVar("Source", TimeToEvent, Binary)

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
class Selected(Generic[Sample]):
    """A selection over one outcome.

    Attributes:
        candidates: Covariates that could enter.
        chosen: Covariates of the final model, in order of entry.
        selection: The steps, None when nothing could be selected from.
        sample: Complete cases over all candidates, with the chosen covariates; None when there are none.
        n_incomplete: Patients left out because a candidate is not known.
        remarks: Why candidates were left out, or why there is no selection.
    """

    candidates: tuple[Covariate, ...] = ()
    chosen: tuple[Covariate, ...] = ()
    selection: Selection | None = None
    sample: Sample | None = None
    n_incomplete: int | None = None
    remarks: tuple[str, ...] = ()


def selected_cox(inputs: Inputs, study: Study, endpoint: str) -> Selected[CoxSample]:
    """Run forward selection for one time-to-event endpoint over the complete cases of all candidates.

    Three tables need the answer; shared samples keep it.
    """
    shared, settings = shared_samples(inputs, study), study.models.cox
    ties = convention(study.conventions).ties

    def select() -> Selected[CoxSample]:
        source = shared.time_to_event(endpoint, settings.covariates)
        return _selected(shared, settings, source, cox_sample, lambda sample: CoxFamily(sample, ties), survival=True)

    return shared.once(("selected_cox", endpoint, ties, settings), lambda: _or_reason(select))


def selected_logistic(inputs: Inputs, study: Study, endpoint: str) -> Selected[LogisticSample]:
    """Run forward selection for one yes/no endpoint over the complete cases of all candidates."""
    shared, settings = shared_samples(inputs, study), study.models.logistic

    def select() -> Selected[LogisticSample]:
        source = shared.binary(endpoint, settings.covariates)
        return _selected(shared, settings, source, logistic_sample, LogisticFamily, survival=False)

    return shared.once(("selected_logistic", endpoint, settings), lambda: _or_reason(select))


def _or_reason(select: Callable[[], Selected[Sample]]) -> Selected[Sample]:
    try:
        return select()
    except NotComputableError as error:
        return Selected(remarks=(str(error),))


def _selected(
    inputs: Inputs,
    settings: CoxModels | LogisticModels,
    source: Source,
    sample_of: Callable[[Source, Sequence[str]], Sample],
    family_of: Callable[[Sample], Family],
    *,
    survival: bool,
) -> Selected[Sample]:
    covariates = [inputs.covariate(name) for name in settings.covariates]
    usable: list[Covariate]
    left_out: list[str]
    usable, left_out = usable_candidates(source.levels, source.weight, covariates)
    if not usable:
        return Selected(remarks=(*left_out, "no candidate with patients at both levels"))
    sample = sample_of(source, [covariate.name for covariate in usable])
    selected = Selected(tuple(usable), sample=sample, n_incomplete=source.n - sample.n, remarks=tuple(left_out))
    try:
        require_outcome(sample.n_events, sample.n, survival=survival)
    except NotComputableError as error:
        return replace(selected, remarks=(*left_out, f"complete cases: {error}"))
    candidates = list(range(len(usable)))
    selection = forward_conditional(family_of(sample), candidates, settings.entry, settings.removal)
    chosen = list(selection.chosen)
    return replace(
        selected, chosen=tuple(usable[c] for c in chosen), selection=selection, sample=sample.columns(chosen)
    )


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


def _rows(outcome: str, family: str, selected: Selected[Any]) -> Iterator[Row]:
    head = {
        "outcome": outcome,
        "model_family": family,
        "n": None if selected.sample is None else selected.sample.n,
        "n_events": None if selected.sample is None else selected.sample.n_events,
        "n_incomplete": selected.n_incomplete,
    }
    remarks = "; ".join(selected.remarks)
    if selected.selection is None:
        yield {**head, "step": 0, "action": "stop", "note": remarks or None}
        return
    for step in selected.selection.steps:
        yield {**head, **_step_columns(step, selected), "note": "; ".join(filter(None, (step.note, remarks))) or None}


def _step_columns(step: Step, selected: Selected[Any]) -> dict[str, object]:
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
