"""What each column of the analysis tables is made of: columns of the marts, as the study file chooses them.

One declaration per table and group of columns, beside the readers of `inputs`: what a reader asks the marts for is
named once here, and the covariates come from the study file. A test changes every column of the marts in turn and sees
that just the columns declared here change. Columns that the study file or the method names (endpoints, factors,
levels, intervals) are made of no data. The key that joins a patient's rows is left out, save where rows are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from analysis_assets.inputs import SWITCH_ENDPOINTS

if TYPE_CHECKING:
    import pandas as pd

    from study import Study

Origin = tuple[str, str]
"""Table, as `schema.table`, and column."""

COHORT: Final = ("patients.included",)
FOLLOW_UP: Final = (*COHORT, "outcomes.endpoint", "outcomes.time_days")
EVENTS: Final = (*FOLLOW_UP, "outcomes.event")
CAUSES: Final = (*EVENTS, "outcomes.event_kind")
YES_NO: Final = (*COHORT, "outcomes.endpoint", "outcomes.achieved")
ASSESSED: Final = (*YES_NO, "outcomes.kind", "outcomes.event_kind")
IN_PHASE: Final = (*COHORT, "patients.hsct_date", "adverse_events.phase")
ADVERSE_EVENTS: Final = (
    *IN_PHASE, "adverse_events.parent_term", "adverse_events.term", "adverse_events.worst_grade", "<management>",
)  # fmt: skip
GRADES: Final = ("crs_grading.recorded_grade", "crs_grading.lee2014_grade", "crs_grading.astct2019_grade")
THERAPIES: Final = (
    *COHORT, "patients.complete_remission", "patients.response_evaluable", "patients.bridged_to_hsct",
    "patients.subsequent_therapy",
)  # fmt: skip
IMPUTED: Final = ("outcome_date_sensitivity.endpoint",)
LOGISTIC: Final = (*ASSESSED, "<logistic>")
NOTHING: Final = ()

# Table, to its columns, to what they are made of; `<...>` is what the study file or a table's own list chooses.
DECLARED: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "km_curves": {
            "endpoint factor level ci_method convention": NOTHING,
            "time_months time_days n_at_risk": (*FOLLOW_UP, "<survival>"),
            "n_events n_censored survival std_error ci_low ci_high": (*EVENTS, "<survival>"),
        },
        "km_summary": {
            "endpoint factor level ci_method convention is_primary": NOTHING,
            "n min_months max_months restricted_to_months n_missing": (*FOLLOW_UP, "<survival>"),
            "n_events median_months median_ci_low median_ci_high median_std_error restricted_mean_months "
            "restricted_mean_std_error note": (*EVENTS, "<survival>"),
        },
        "km_landmarks": {
            "endpoint factor level month ci_method convention is_primary": NOTHING,
            "n_at_risk": (*FOLLOW_UP, "<survival>"),
            "survival ci_low ci_high std_error note": (*EVENTS, "<survival>"),
        },
        "logrank_tests": {
            "endpoint factor test convention": NOTHING,
            "n df n_missing": (*FOLLOW_UP, "<survival>"),
            "statistic p_value n_events note": (*EVENTS, "<survival>"),
        },
        "cox_models": {
            "endpoint term contrast term_label ties convention": NOTHING,
            "model n n_events q_value": (*EVENTS, "<cox>"),
            "hazard_ratio ci_low ci_high p_value estimator note coefficient std_error ci_method p_method "
            "events_per_variable warning": (*EVENTS, "<cox>", "<day of change>"),
        },
        "logistic_models": {
            "outcome term contrast term_label convention": NOTHING,
            "model odds_ratio ci_low ci_high p_value n n_events estimator note coefficient std_error q_value ci_method "
            "p_method events_per_variable spss_odds_ratio spss_ci_low spss_ci_high spss_p_value warning": LOGISTIC,
        },
        "selection_steps": {
            "outcome model_family convention": NOTHING,
            "step action term statistic df p_value test terms_in_model log_likelihood n n_events n_incomplete "
            "note": (*EVENTS, *ASSESSED, "<cox>", "<logistic>"),
        },
        "cumulative_incidence": {
            "endpoint factor level ci_method convention": NOTHING,
            "time_months time_days n_at_risk": (*FOLLOW_UP, "<survival>"),
            "n_events": (*EVENTS, "<survival>"),
            "incidence ci_low ci_high std_error n_competing": (*CAUSES, "<survival>"),
        },
        "model_diagnostics": {
            "outcome model_family convention": NOTHING,
            "term diagnostic statistic df p_value note model contrast": (
                *CAUSES, *ASSESSED, "<cox>", "<logistic>", "<survival>",
            ),
            "estimate ci_low ci_high": (*CAUSES, "<survival>"),
        },
        "cohort_flow": {
            "step": ("cohort_flow.step",),
            "criterion": ("cohort_flow.criterion",),
            "n_excluded": ("cohort_flow.n_excluded",),
            "n_remaining": ("cohort_flow.n_remaining",),
            "convention": NOTHING,
        },
        "baseline_characteristics": {
            "characteristic convention column_name timing": NOTHING,
            "median min max mean sd normality_test normality_p": (*COHORT, "<measurements>"),
            "n n_total n_missing pct display level note": (
                *COHORT, "<measurements>", "<covariates>", "<categories>", "<findings>",
            ),
        },
        "response_rates": {
            "endpoint ci_method convention": NOTHING,
            "n n_total pct ci_low ci_high display n_not_evaluable note": ASSESSED,
        },
        "response_times": {
            "endpoint unit convention": NOTHING,
            "n_total": COHORT,
            "n median min max mean sd display normality_test normality_p note": EVENTS,
        },
        "response_time_distribution": {"endpoint convention": NOTHING, "time_days n": EVENTS},
        "follow_up": {
            "method convention": NOTHING,
            "n min_months max_months": FOLLOW_UP,
            "n_events median_months median_ci_low median_ci_high note": EVENTS,
        },
        "subsequent_therapies": {
            "convention": NOTHING,
            "patient_group therapy n n_total pct display": THERAPIES,
        },
        "subgroup_response": {
            "endpoint factor level test factor_label convention": NOTHING,
            "n_responders n_non_responders p_value p_fisher n pct_responders pct_non_responders display_responders "
            "display_non_responders statistic df smallest_expected n_missing warning note": (*ASSESSED, "<subgroups>"),
        },
        "adverse_event_rates": {
            "ci_method convention": NOTHING,
            "phase": IN_PHASE,
            "parent_term": (*IN_PHASE, "adverse_events.parent_term"),
            "term": (*IN_PHASE, "adverse_events.term"),
            "grade": (*IN_PHASE, "adverse_events.worst_grade"),
            "n n_total pct ci_low ci_high display note": ADVERSE_EVENTS,
        },
        "crs_grading": {
            "rule_set ci_method convention": NOTHING,
            "level n n_total pct ci_low ci_high display": (*COHORT, *GRADES),
        },
        "date_sensitivity": {
            "convention": NOTHING,
            "endpoint": IMPUTED,
            "n_imputed": (*IMPUTED, "outcome_date_sensitivity.patient_key"),
            "n_total": (*FOLLOW_UP, *IMPUTED),
            "days_earlier_at_most": (
                *IMPUTED, "outcome_date_sensitivity.time_days", "outcome_date_sensitivity.shortest_days",
            ),
            "days_later_at_most": (
                *IMPUTED, "outcome_date_sensitivity.time_days", "outcome_date_sensitivity.longest_days",
            ),
            "median_months": EVENTS,
            "median_months_shortest": (*EVENTS, *IMPUTED, "outcome_date_sensitivity.shortest_days"),
            "median_months_longest": (*EVENTS, *IMPUTED, "outcome_date_sensitivity.longest_days"),
        },
    }
)  # fmt: skip


def column_origins(table: str, study: Study) -> dict[str, tuple[Origin, ...]]:
    """Return, per column of an analysis table, the columns of the marts that it is made of under a study file.

    Args:
        table: name of a table of the catalogue.
        study: the study file.
    """
    return {
        column: _resolved(sources, study) for columns, sources in DECLARED[table].items() for column in columns.split()
    }


def comparison_origins(comparison: pd.DataFrame) -> dict[str, tuple[Origin, ...]]:
    """Return, per column of `published_comparison`, the analysis columns that answered a printed figure tonight.

    The audit of the paper against itself, which no analysis column answers, is made of no data of the house.
    """
    if "analysis_column" not in comparison:
        return {str(column): () for column in comparison.columns}
    answered = comparison.loc[comparison["analysis_column"].notna(), ["analysis_table", "analysis_column"]]
    pairs = {
        (f"analysis.{table}", part)
        for table, column in answered.drop_duplicates().itertuples(index=False)
        for part in str(column).split("-")
    }
    made = {"computed", "difference", "verdict", "note"}
    return {str(column): tuple(sorted(pairs)) if column in made else () for column in comparison.columns}


def _resolved(sources: Iterable[str], study: Study) -> tuple[Origin, ...]:
    names = [name for source in sources for name in (_CHOSEN[source](study) if source in _CHOSEN else (source,))]
    tables = (name.partition(".") for name in dict.fromkeys(names))
    return tuple((f"marts.{table}", column) for table, _, column in tables)


def _covariates(study: Study, names: Sequence[str]) -> list[str]:
    columns = {covariate.name: covariate.column for covariate in study.covariates}
    return [f"patients.{columns[name]}" for name in names]


def _day_of_change(study: Study) -> list[str]:
    """Where a covariate known only after time zero has its day, in models that take it from that day on."""
    changing = {f"patients.{column}" for column in SWITCH_ENDPOINTS}
    if changing.isdisjoint(_covariates(study, study.models.cox.covariates)):
        return []
    return ["outcomes.achieved", "outcomes.event_date", "patients.infusion_date"]


def _measurements(_: Study) -> list[str]:
    from analysis_assets.baseline import MEASUREMENTS

    return [f"patients.{measurement.column}" for measurement in MEASUREMENTS]


def _categories(study: Study) -> list[str]:
    from analysis_assets.baseline import CATEGORIES

    shown = {covariate.column for covariate in study.covariates}
    return [f"patients.{column}" for _, column, covered_by in CATEGORIES if not shown & {column, covered_by}]


def _findings(_: Study) -> list[str]:
    from analysis_assets.baseline import FINDINGS

    return [f"patients.{column}" for _, _, column in FINDINGS]


def _management(_: Study) -> list[str]:
    from analysis_assets.adverse_event_rates import MANAGEMENT

    return [f"patients.{column}" for column, _, _ in MANAGEMENT]


_CHOSEN: Final[Mapping[str, Callable[[Study], list[str]]]] = MappingProxyType(
    {
        "<survival>": lambda study: _covariates(study, study.models.survival.factors),
        "<subgroups>": lambda study: _covariates(study, study.models.subgroups.factors),
        "<cox>": lambda study: _covariates(study, study.models.cox.covariates),
        "<logistic>": lambda study: _covariates(study, study.models.logistic.covariates),
        "<covariates>": lambda study: _covariates(study, [covariate.name for covariate in study.covariates]),
        "<day of change>": _day_of_change,
        "<measurements>": _measurements,
        "<categories>": _categories,
        "<findings>": _findings,
        "<management>": _management,
    }
)
