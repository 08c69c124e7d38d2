"""Typed form of the study file. Attribute names are the file's keys; defaults are the reference paper's choices."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, Literal, LiteralString, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

BINARY_ENDPOINTS = ("CR", "MRD_NEGATIVE_CR", "MRD_POSITIVE_CR", "HSCT_BRIDGE", "SEVERE_CRS")
TIME_TO_EVENT_ENDPOINTS = (
    "EFS",
    "OS",
    "RFS",
    "DOR",
    "TIME_TO_CR",
    "TIME_TO_MRD_NEGATIVE",
    "RELAPSE",
    "NON_RELAPSE_MORTALITY",
    "FOLLOW_UP",
)

ColumnKind = Literal["boolean", "number", "text"]

# Columns of marts.patients that a covariate may be made from, and what they hold by dbt's contract of that table.
COLUMN_KINDS: Mapping[str, ColumnKind] = {
    "sex": "text",
    "age_years": "number",
    "prior_chemotherapies": "number",
    "refractory": "boolean",
    "relapsed": "boolean",
    "marrow_blast_percent": "number",
    "extramedullary_disease": "boolean",
    "cns_leukemia": "boolean",
    "fusion_gene": "text",
    "bcr_abl1": "boolean",
    "other_fusion_gene": "boolean",
    "sh2b3": "boolean",
    "pax5": "boolean",
    "other_mutation": "boolean",
    "wbc": "number",
    "lymphodepletion_regimen": "text",
    "flu_cy": "boolean",
    "cart_target": "text",
    "cells_per_kg": "number",
    "complete_remission": "boolean",
    "mrd_negative": "boolean",
    "bridged_to_hsct": "boolean",
    "crs_grade": "number",
    "severe_crs": "boolean",
    "hematologic_toxicity_grade": "number",
    "neurotoxicity": "boolean",
    "infection": "boolean",
    "icu_admission": "boolean",
    "glucocorticoids": "boolean",
    "tocilizumab": "boolean",
    "subsequent_therapy": "text",
}
PATIENT_COLUMNS = tuple(COLUMN_KINDS)

# Text columns that can hold nothing else; a gene or an antigen is whatever the hospital writes.
CLOSED_VALUES: Mapping[str, tuple[str, ...]] = {
    "sex": ("F", "M"),
    "lymphodepletion_regimen": ("Flu+Cy", "non-Flu+Cy"),
}


def _as_day(value: Any) -> Any:
    """Days alone: pydantic would take a number for seconds since 1970, and an hour for an inexact day."""
    if isinstance(value, str):
        with suppress(ValueError):
            return dt.date.fromisoformat(value)
    elif isinstance(value, dt.datetime):
        if value.time() == dt.time():
            return value.date()
    elif isinstance(value, dt.date):
        return value
    raise ValueError("write a day of the calendar as YYYY-MM-DD")


def _refuse_repeats(entries: Sequence[object], message: LiteralString, key: str | None = None) -> None:
    """Refuse the first entry that stands there already; `at` is its place below the list, for the line."""
    for position, entry in enumerate(entries):
        if entry in entries[:position]:
            at = (position,) if key is None else (position, key)
            raise PydanticCustomError("repeated", message, {"entry": entry, "at": at})


def _each_once(entries: tuple[Any, ...]) -> tuple[Any, ...]:
    _refuse_repeats(entries, "`{entry}` stands in the list already; take one away")
    return entries


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _tells_codes_apart(prefix: str) -> str:
    if not prefix.replace(".", ""):  # dots in codes don't matter
        raise ValueError("every code begins so; take it away")
    return prefix


Trimmed = Annotated[str, StringConstraints(strip_whitespace=True)]
CodePrefix = Annotated[Trimmed, AfterValidator(_tells_codes_apart)]
EachOnce = AfterValidator(_each_once)
Day = Annotated[dt.date, BeforeValidator(_as_day)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]
Positive = Annotated[StrictInt, Field(ge=1)]
BinaryEndpoint = Literal["CR", "MRD_NEGATIVE_CR", "MRD_POSITIVE_CR", "HSCT_BRIDGE", "SEVERE_CRS"]
TimeToEventEndpoint = Literal[
    "EFS",
    "OS",
    "RFS",
    "DOR",
    "TIME_TO_CR",
    "TIME_TO_MRD_NEGATIVE",
    "RELAPSE",
    "NON_RELAPSE_MORTALITY",
    "FOLLOW_UP",
]
PatientColumn = Literal[PATIENT_COLUMNS]  # type: ignore[valid-type]  # mypy can't expand a tuple here; pydantic can


class Section(BaseModel):
    """A part of the study file: unknown keys are refused, values can't be changed after loading.

    Numbers and switches are strict: pydantic would else read true as 1, 1 as true and "28" as 28.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _section_of_comments_alone_is_left_out(cls, data: Any) -> Any:
        """YAML reads `rules:` with nothing but comments below it as null."""
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or not cls._is_section(key)}

    @classmethod
    def _is_section(cls, key: str) -> bool:
        field = cls.model_fields.get(key)
        return field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, Section)


class StudySection(Section):
    """Name of the study and the last day whose rows count (None: the newest extract's date)."""

    name: Annotated[str, Field(min_length=1)] = "CAR-T in relapsed or refractory B-ALL"
    data_cutoff: Day | None = None


class Rules(Section):
    """Which clinical rule set decides."""

    response: Literal["paper", "eln", "cibmtr"] = "paper"
    crs: Literal["recorded", "lee2014", "astct2019"] = "recorded"
    ctcae: Literal[5, 6] = 5
    refractory_includes_extramedullary: StrictBool = False


class Cohort(Section):
    """Eligibility; a criterion that is null, empty or left out is not applied."""

    infused_from: Day | None = None
    infused_to: Day | None = None
    diagnosis_prefixes: tuple[CodePrefix, ...] = ()
    immunophenotype: Trimmed | None = None
    excluded_diagnosis_prefixes: tuple[CodePrefix, ...] = ()
    relapsed_or_refractory: StrictBool | None = None

    @model_validator(mode="before")
    @classmethod
    def _empty_criterion_is_left_out(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if key not in cls.model_fields or not _is_blank(value)}

    @model_validator(mode="after")
    def _window_runs_forward(self) -> Self:
        if self.infused_from and self.infused_to and self.infused_from > self.infused_to:
            raise ValueError("infused_from is after infused_to")
        return self


class Response(Section):
    """Response thresholds: percent of marrow cells, and days counted from the infusion."""

    marrow_blasts_below_percent: Annotated[StrictFloat, Field(gt=0, le=100)] = 5
    mrd_negative_below_percent: Annotated[StrictFloat, Field(gt=0, le=100)] = 0.01
    window_days: Positive = 90
    treatment_failure_day: Positive = 28


class Hsct(Section):
    """Transplant after the infusion: bridging window in days, and whether HSCT ends follow-up of EFS and RFS."""

    bridging_window_days: Positive = 62
    censor_at_hsct: StrictBool = False


class Privacy(Section):
    """Report and exports: counts below `small_cell_below` are suppressed (None: none are)."""

    small_cell_below: Annotated[StrictInt, Field(ge=2, le=100)] | None = None


class Covariate(Section):
    """A binary covariate made from one column of marts.patients; `levels` has the reference first.

    A column of numbers needs `at_least` (the second level is column >= at_least, in the column's unit), a column of
    text `equals` (column = equals, letter for letter), a boolean column neither (the second level is true).
    """

    name: Name
    label: Annotated[str, Field(min_length=1)]
    column: PatientColumn
    at_least: Annotated[StrictFloat, Field(allow_inf_nan=False)] | None = Field(None, validate_default=True)
    equals: Annotated[str, Field(min_length=1)] | None = Field(None, validate_default=True)
    levels: tuple[str, str]

    @field_validator("at_least", "equals", mode="before")
    @classmethod
    def _rule_fits_the_column(cls, value: Any, info: ValidationInfo) -> Any:
        if "column" not in info.data:  # it was refused
            return value
        wanted, words = _rule_for(info.data["column"])
        if info.field_name == "equals" and "at_least" not in info.data:  # its message says what is wanted here, too
            return value if wanted == "equals" else None
        if (info.field_name == wanted) != (value is not None):
            raise ValueError(words)
        return value

    @field_validator("equals")
    @classmethod
    def _value_can_occur(cls, value: str | None, info: ValidationInfo) -> str | None:
        allowed = CLOSED_VALUES.get(info.data.get("column", ""), ())
        if value is not None and allowed and value not in allowed:
            raise PydanticKnownError("literal_error", {"expected": " or ".join(repr(each) for each in allowed)})
        return value

    @model_validator(mode="after")
    def _two_levels(self) -> Self:
        if self.levels[0] == self.levels[1]:
            raise ValueError("the two levels need different names")
        return self


def _rule_for(column: str) -> tuple[str | None, str]:
    """The key that tells the second level of a covariate from this column, and what to write in words."""
    kind = COLUMN_KINDS[column]
    if kind == "boolean":
        return None, f"`{column}` holds true or false: leave `at_least` and `equals` out"
    if kind == "number":
        return "at_least", f"`{column}` holds numbers: write `at_least` with a number, and no `equals`"
    values = " or ".join(CLOSED_VALUES.get(column, ("one of its values",)))
    return "equals", f"`{column}` holds text: write `equals` with {values}, and no `at_least`"


def _threshold(name: str, label: str, column: str, at_least: float, levels: tuple[str, str]) -> Covariate:
    return Covariate(name=name, label=label, column=column, at_least=at_least, levels=levels)


def _flag(name: str, label: str, column: str, levels: tuple[str, str] = ("no", "yes")) -> Covariate:
    return Covariate(name=name, label=label, column=column, levels=levels)


PAPER_COVARIATES: tuple[Covariate, ...] = (
    _threshold("age", "Age", "age_years", 18, ("<18 years", "≥18 years")),
    Covariate(name="sex", label="Gender", column="sex", equals="M", levels=("female", "male")),
    _threshold("prior_chemotherapies", "Number of previous chemotherapies", "prior_chemotherapies", 4, ("<4", "≥4")),
    _flag("refractory", "Refractory disease", "refractory"),
    _flag("relapsed", "Relapsed disease", "relapsed"),
    _threshold("marrow_blasts", "Bone marrow blasts", "marrow_blast_percent", 5, ("<5%", "≥5%")),
    _flag("extramedullary_disease", "Extramedullary disease", "extramedullary_disease"),
    _flag("cns_leukemia", "CNSL", "cns_leukemia"),
    _flag("bcr_abl1", "BCR/ABL1", "bcr_abl1", ("negative", "positive")),
    _flag("sh2b3", "SH2B3 mutation", "sh2b3", ("negative", "positive")),
    _flag("pax5", "PAX5 mutation", "pax5", ("negative", "positive")),
    _threshold("wbc", "WBC", "wbc", 30, ("<30 ×10⁹/L", "≥30 ×10⁹/L")),
    _flag("flu_cy", "Lymphodepletion regimens", "flu_cy", ("non-Flu+Cy", "Flu+Cy")),
    Covariate(
        name="cart_target",
        label="CAR-T cells",
        column="cart_target",
        equals="CD19+CD22",
        levels=("anti-CD19", "anti-CD19+CD22"),
    ),
    _flag("mrd_negative_cr", "CR with MRD negative", "mrd_negative"),
    _flag("bridged_to_hsct", "Bridging to HSCT", "bridged_to_hsct"),
)
_BASELINE = tuple(c.name for c in PAPER_COVARIATES if c.name not in ("mrd_negative_cr", "bridged_to_hsct"))
_SURVIVAL = (*_BASELINE, "mrd_negative_cr", "bridged_to_hsct")


class SubgroupModels(Section):
    """Response by subgroup: binary endpoints × factors."""

    endpoints: Annotated[tuple[BinaryEndpoint, ...], EachOnce] = ("CR",)
    factors: Annotated[tuple[str, ...], EachOnce] = _BASELINE


class SurvivalModels(Section):
    """Kaplan–Meier by level and log-rank: time-to-event endpoints × factors."""

    endpoints: Annotated[tuple[TimeToEventEndpoint, ...], EachOnce] = ("EFS", "OS")
    factors: Annotated[tuple[str, ...], EachOnce] = _SURVIVAL


class Entry(Section):
    """Entry and removal P values of forward selection."""

    entry: Annotated[StrictFloat, Field(gt=0, lt=1)] = 0.05
    removal: Annotated[StrictFloat, Field(gt=0, lt=1)] = 0.10

    @model_validator(mode="after")
    def _removal_not_below_entry(self) -> Self:
        if self.removal < self.entry:
            raise ValueError("removal must not be smaller than entry, or selection never settles")
        return self


class CoxModels(Entry):
    """Cox regression: time-to-event endpoints × covariates."""

    endpoints: Annotated[tuple[TimeToEventEndpoint, ...], EachOnce] = ("EFS", "OS")
    covariates: Annotated[tuple[str, ...], EachOnce] = _SURVIVAL


class LogisticModels(Entry):
    """Logistic regression: binary endpoints × covariates."""

    endpoints: Annotated[tuple[BinaryEndpoint, ...], EachOnce] = ("CR", "SEVERE_CRS")
    covariates: Annotated[tuple[str, ...], EachOnce] = _BASELINE


class Models(Section):
    """What is computed."""

    subgroups: SubgroupModels = SubgroupModels()
    survival: SurvivalModels = SurvivalModels()
    cox: CoxModels = CoxModels()
    logistic: LogisticModels = LogisticModels()


_MODEL_LISTS = (
    ("subgroups", "factors", _BASELINE),
    ("survival", "factors", _SURVIVAL),
    ("cox", "covariates", _SURVIVAL),
    ("logistic", "covariates", _BASELINE),
)


class Study(Section):
    """The whole study file."""

    study: StudySection = StudySection()
    conventions: Literal["spss", "r", "sas"] = "spss"
    rules: Rules = Rules()
    published: str | None = "paper"
    cohort: Cohort = Cohort()
    response: Response = Response()
    hsct: Hsct = Hsct()
    severe_crs_grade: Annotated[StrictInt, Field(ge=1, le=5)] = 3
    baseline_window_days: Positive = 30
    hematologic_toxicity_window_days: Positive = 30
    landmark_months: Annotated[tuple[Positive, ...], EachOnce] = (6, 12)
    privacy: Privacy = Privacy()
    covariates: tuple[Covariate, ...] = PAPER_COVARIATES
    models: Models = Models()

    @model_validator(mode="before")
    @classmethod
    def _lists_left_out_name_defined_covariates(cls, data: Any) -> Any:
        """A model list that the file leaves out holds the paper's covariates, as far as this study defines them.

        The sections may still be null here: this runs before they are left out.
        """
        covariates = data.get("covariates") if isinstance(data, dict) else None
        models = data.get("models") or {} if isinstance(data, dict) else None
        if not isinstance(covariates, list) or not isinstance(models, dict):
            return data
        defined = [c.get("name") for c in covariates if isinstance(c, dict)]
        filled = dict(models)
        for section, key, default in _MODEL_LISTS:
            part = filled.get(section) or {}
            if isinstance(part, dict) and key not in part:
                filled[section] = {**part, key: [name for name in default if name in defined]}
        return {**data, "models": filled}

    @field_validator("covariates")
    @classmethod
    def _covariate_names_are_unique(cls, covariates: tuple[Covariate, ...]) -> tuple[Covariate, ...]:
        names = [covariate.name for covariate in covariates]
        _refuse_repeats(names, "the covariate `{entry}` is defined twice", "name")
        return covariates

    def covariate(self, name: str) -> Covariate:
        """Return the covariate of that name; KeyError if the study has none."""
        for covariate in self.covariates:
            if covariate.name == name:
                return covariate
        raise KeyError(name)

    def as_dbt_variable(self) -> dict[str, Any]:
        """Return the study as plain JSON-ready values, all defaults filled in, for the dbt variable `study`."""
        return self.model_dump(mode="json")
