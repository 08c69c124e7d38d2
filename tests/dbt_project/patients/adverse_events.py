"""Adverse events: as recorded, graded from laboratory values, CRS by three rule sets, ICANS, ICAHT, persistence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

from tests.cohort import Patient
from tests.dbt_project.patients.case import Case, Expectation, case, no_row, row, time_to, yes_no

EVENTS = "marts.adverse_events"
CRS = "marts.crs_grading"
LABS = "marts.lab_toxicity"

RECORDED: list[Case] = [
    case(
        "the worst grade of a term counts, from its first day",
        lambda p: (
            p.adverse_event("CRS", 3, grade=2, scale="Lee2014", until=8)
            .adverse_event(" CRS ", 5, grade=3, scale="ASTCT2019")
            .follow_up(60)
        ),
        row(EVENTS, {"term": "CRS"}, worst_grade=3, grading_scale="ASTCT2019", first_study_day=3, phase="cart"),
        row("marts.patients", crs_grade=3, severe_crs=True),
        yes_no("SEVERE_CRS", True, "severe_crs"),
        row(CRS, recorded_grade=3, recorded_scale="ASTCT2019"),
    ),
    case(
        "grade 2 is not severe",
        lambda p: p.adverse_event("CRS", 3, grade=2).follow_up(60),
        yes_no("SEVERE_CRS", False, "no_severe_crs"),
        row("marts.patients", crs_grade=2, severe_crs=False),
    ),
    case(
        "no CRS recorded is grade 0",
        lambda p: p.adverse_event("rash", 3, grade=1).follow_up(60),
        row("marts.patients", crs_grade=0, severe_crs=False, neurotoxicity=False, infection=False),
        row(EVENTS, {"term": "rash"}, worst_grade=1, without_transplant=False),
        no_row(EVENTS, term="CRS"),
    ),
    case(
        "CRS without a grade is CRS of unknown grade",
        lambda p: p.adverse_event("cytokine release syndrome", 3).follow_up(60),
        row("marts.patients", crs_grade=None, severe_crs=None),
        yes_no("SEVERE_CRS", None, "not_computable"),
        row(EVENTS, {"term": "cytokine release syndrome"}, worst_grade=None),
    ),
    case(
        "a symptom names its CRS",
        lambda p: (
            p.adverse_event("CRS", 3, grade=2, event_id="one")
            .adverse_event("fever", 3, grade=1, event_id="two", parent="one")
            .follow_up(60)
        ),
        row(EVENTS, {"term": "fever"}, parent_term="CRS", worst_grade=1),
        row(EVENTS, {"term": "CRS"}, parent_term=None),
    ),
    case(
        "an event on the day of infusion counts, one before it does not",
        lambda p: p.adverse_event("rash", 0, grade=1).adverse_event("cough", -1, grade=1).follow_up(60),
        row(EVENTS, {"term": "rash"}, first_study_day=0),
        no_row(EVENTS, term="cough"),
    ),
    case(
        "an event without a date stays",
        lambda p: p.adverse_event("rash", None, grade=2).follow_up(60),
        row(EVENTS, {"term": "rash"}, first_study_day=None, worst_grade=2),
    ),
    case(
        "without a phase an event from the transplant on is the transplant's",
        lambda p: p.hsct(40).adverse_event("rash", 40, grade=2, phase=None).follow_up(60),
        row(EVENTS, {"term": "rash"}, phase="hsct", without_transplant=False),
    ),
    case(
        "without a phase an event before the transplant is the cells'",
        lambda p: p.hsct(40).adverse_event("rash", 39, grade=2, phase=None).follow_up(60),
        row(EVENTS, {"term": "rash"}, phase="cart"),
    ),
    case(
        "a transplant's event without a transplant is flagged",
        lambda p: p.adverse_event("GVHD", 50, grade=2, scale="NIH", phase="hsct").follow_up(60),
        row(EVENTS, {"term": "GVHD"}, phase="hsct", without_transplant=True),
    ),
    case(
        "one term in two phases is two rows",
        lambda p: (
            p.hsct(40)
            .adverse_event("infection", 9, grade=3)
            .adverse_event("infection", 50, grade=2, phase="hsct")
            .follow_up(60)
        ),
        row(EVENTS, {"phase": "cart"}, worst_grade=3, term="infection"),
        row(EVENTS, {"phase": "hsct"}, worst_grade=2, term="infection"),
        row("marts.patients", infection=True),
    ),
    case(
        "an infection after the transplant is none of the cells'",
        lambda p: p.hsct(40).adverse_event("infection", 50, grade=2, phase="hsct").follow_up(60),
        row("marts.patients", infection=False),
    ),
    case(
        "CRS of the transplant phase is none of the cells'",
        lambda p: p.hsct(40).adverse_event("CRS", 50, grade=4, phase="hsct").follow_up(60),
        row("marts.patients", crs_grade=0),
        row(EVENTS, {"term": "CRS"}, phase="hsct", worst_grade=4),
    ),
    case(
        "neurotoxicity under another name",
        lambda p: p.adverse_event("ICANS", 5, grade=1).follow_up(60),
        row("marts.patients", neurotoxicity=True, infection=False),
    ),
]

CARE: list[Case] = [
    case(
        "intensive care on day 30 counts",
        lambda p: p.stay(30, 35).follow_up(60),
        row("marts.patients", icu_admission=True),
    ),
    case(
        "intensive care on day 31 does not",
        lambda p: p.stay(31, 35).follow_up(60),
        row("marts.patients", icu_admission=False),
    ),
    case(
        "intensive care from the day of infusion counts",
        lambda p: p.stay(0, 2).follow_up(60),
        row("marts.patients", icu_admission=True),
    ),
    case(
        "intensive care from the day before the infusion does not",
        lambda p: p.stay(-1, 5).follow_up(60),
        row("marts.patients", icu_admission=False),
    ),
    case(
        "intensive care that ended before the CRS does not",
        lambda p: p.stay(-5, 1).adverse_event("CRS", 2, grade=3, until=8).follow_up(60),
        row("marts.patients", icu_admission=False),
    ),
    case(
        "intensive care that reaches into the CRS counts",
        lambda p: p.stay(-5, 2).adverse_event("CRS", 2, grade=3, until=8).follow_up(60),
        row("marts.patients", icu_admission=True),
        row("intermediate.int_icu_admissions", overlaps_crs=True),
    ),
    case(
        "intensive care without an end is still running",
        lambda p: p.stay(-5, None).adverse_event("CRS", 2, grade=3, until=8).follow_up(60),
        row("marts.patients", icu_admission=True),
    ),
    case(
        "late intensive care on the last day of the CRS counts",
        lambda p: p.stay(36, 40).adverse_event("CRS", 2, grade=3, until=36).follow_up(60),
        row("marts.patients", icu_admission=True),
    ),
    case(
        "late intensive care the day after the CRS does not",
        lambda p: p.stay(37, 40).adverse_event("CRS", 2, grade=3, until=36).follow_up(60),
        row("marts.patients", icu_admission=False),
    ),
    case(
        "intensive care within 30 days but after the CRS overlaps nothing",
        lambda p: p.stay(20, 22).adverse_event("CRS", 2, grade=3, until=8).follow_up(60),
        row("marts.patients", icu_admission=True),
        row("intermediate.int_icu_admissions", overlaps_crs=False),
    ),
    case(
        "a ward is no intensive care",
        lambda p: p.stay(5, 9, care_unit="ward").follow_up(60),
        row("marts.patients", icu_admission=False),
    ),
    case(
        "tocilizumab against CRS",
        lambda p: p.medication("Tocilizumab", 3).follow_up(60),
        row("marts.patients", tocilizumab=True, glucocorticoids=False),
    ),
    case(
        "a steroid against CRS on the day of infusion",
        lambda p: p.medication("dexamethasone", 0).follow_up(60),
        row("marts.patients", tocilizumab=False, glucocorticoids=True),
    ),
    case(
        "a steroid before the infusion or for another purpose is none",
        lambda p: p.medication("dexamethasone", -1).medication("dexamethasone", 5, purpose="intrathecal").follow_up(60),
        row("marts.patients", glucocorticoids=False),
    ),
]


def _lab(analyte: str, value: float | str, **more: object) -> Callable[[Patient], Patient]:
    return lambda p: p.lab(5, analyte, value, **more).follow_up(60)  # type: ignore[arg-type]


def _grade(analyte: str, v5: int, v6: int | None = None) -> tuple[Expectation, ...]:
    return (
        row(LABS, {"analyte": analyte, "version": 5}, worst_grade=v5, chosen=True),
        row(LABS, {"analyte": analyte, "version": 6}, worst_grade=v5 if v6 is None else v6, chosen=False),
    )


def _days(v5: int, v6: int) -> tuple[Expectation, ...]:
    return (row(LABS, {"version": 5}, days_at_grade_4=v5), row(LABS, {"version": 6}, days_at_grade_4=v6))


def _edges(analyte: str, *bounds: tuple[float, int, int], below: bool, sex: str = "F") -> list[Case]:
    """Both sides of each bound: at the bound the grade before it, a hair beyond it the grade itself."""
    cases = []
    before = (0, 0)
    beyond = -0.001 if below else 0.001
    for bound, v5, v6 in bounds:
        cases += [
            case(f"{analyte} of exactly {bound} ({sex})", _lab(analyte, bound), *_grade(analyte, *before), sex=sex),
            case(
                f"{analyte} just {'below' if below else 'above'} {bound} ({sex})",
                _lab(analyte, round(bound + beyond, 4)),
                *_grade(analyte, v5, v6),
                sex=sex,
            ),
        ]
        before = (v5, v6)
    return cases


CTCAE: list[Case] = [
    *_edges("neutrophils", (1.8, 1, 0), (1.5, 2, 1), (1.0, 3, 2), (0.5, 4, 3), (0.1, 4, 4), below=True),
    *_edges("platelets", (125, 1, 1), (75, 2, 2), (50, 3, 3), (25, 4, 3), (10, 4, 4), below=True),
    *_edges("leukocytes", (3.5, 1, 1), (3, 2, 2), (2, 3, 3), (1, 4, 4), below=True),
    *_edges("lymphocytes", (1.1, 1, 1), (0.8, 2, 2), (0.5, 3, 3), (0.2, 4, 4), below=True),
    *_edges("lymphocytes", (1.1, 1, 1), below=True, sex="M"),
    case(
        "lymphocytes are no part of haematologic toxicity",
        lambda p: p.lab(5, "lymphocytes", 0.1).lab(5, "platelets", 130).follow_up(60),
        row("marts.patients", hematologic_toxicity_grade=0),
    ),
    *_edges("haemoglobin", (115, 1, 1), (100, 2, 2), (80, 3, 3), below=True),
    *_edges("haemoglobin", (130, 1, 1), (100, 2, 2), below=True, sex="M"),
    *_edges("alt", (40, 1, 1), (120, 2, 2), (200, 3, 3), (800, 4, 4), below=False),
    *_edges("alt", (50, 1, 1), (150, 2, 2), (250, 3, 3), (1000, 4, 4), below=False, sex="M"),
    *_edges("ast", (35, 1, 1), (105, 2, 2), (175, 3, 3), (700, 4, 4), below=False),
    *_edges("ast", (40, 1, 1), below=False, sex="M"),
    *_edges("bilirubin", (21, 1, 1), (31.5, 2, 2), (63, 3, 3), (210, 4, 4), below=False),
    *_edges("bilirubin", (26, 1, 1), below=False, sex="M"),
    *_edges("neutrophils", (1.8, 1, 0), below=True, sex="M"),
    *_edges("platelets", (125, 1, 1), below=True, sex="M"),
    *_edges("leukocytes", (3.5, 1, 1), below=True, sex="M"),
    case("<0.5 neutrophils are below 0.5", _lab("neutrophils", "<0.5"), *_grade("neutrophils", 4, 3)),
    case(">40 ALT is above 40", _lab("alt", ">40"), *_grade("alt", 1)),
    case("<40 ALT is not above", _lab("alt", "<40"), *_grade("alt", 0)),
    case(
        "<0.6 neutrophils are not surely below 0.5",
        _lab("neutrophils", "<0.6"),
        *_grade("neutrophils", 3, 2),
        *_days(0, 0),
    ),
    case("<0.5 neutrophils are a day at grade 4", _lab("neutrophils", "<0.5"), *_days(1, 0)),
    case("<0.1 neutrophils are one under either version", _lab("neutrophils", "<0.1"), *_days(1, 1)),
    case("<0.2 neutrophils are one under version 5", _lab("neutrophils", "<0.2"), *_days(1, 0)),
    case(">0.1 neutrophils are none", _lab("neutrophils", ">0.1"), *_days(0, 0)),
    case(">0.05 neutrophils are not surely one", _lab("neutrophils", ">0.05"), *_days(0, 0)),
    case(">0.3 neutrophils may be any number: no grade", _lab("neutrophils", ">0.3"), *_grade("neutrophils", 0, 0)),
    case(
        "a settled count goes before an open one, however low",
        lambda p: p.lab(5, "neutrophils", ">0.3").lab(6, "neutrophils", 0.9).follow_up(60),
        *_grade("neutrophils", 3, 2),
    ),
    case("<900 ALT may be any number: no grade", _lab("alt", "<900"), *_grade("alt", 0, 0)),
    case(
        "a settled liver value goes before an open one, however high",
        lambda p: p.lab(5, "alt", "<900").lab(6, "alt", 130).follow_up(60),
        *_grade("alt", 2, 2),
    ),
    case("0.1 neutrophils are one under version 5", _lab("neutrophils", 0.1), *_days(1, 0)),
    case("0.09 neutrophils are one under either", _lab("neutrophils", 0.09), *_days(1, 1)),
    case(">800 ALT are a day at grade 4", _lab("alt", ">800"), *_days(1, 1)),
    case(">700 ALT are not surely one", _lab("alt", ">700"), *_days(0, 0)),
    case("<900 ALT are not surely one", _lab("alt", "<900"), *_days(0, 0)),
    case("900 ALT of a man are none", _lab("alt", 900), *_days(0, 0), sex="M"),
    case(
        "of values of 25 and <25 the latter is the lower",
        lambda p: p.lab(5, "platelets", 25).lab(6, "platelets", "<25").lab(7, "platelets", 25).follow_up(60),
        *_grade("platelets", 4, 3),
        row(LABS, {"version": 5}, worst_day=6),
    ),
    case(
        "of values of 40 and >40 the latter is the higher",
        lambda p: p.lab(5, "alt", 40).lab(6, "alt", ">40").lab(7, "alt", 40).follow_up(60),
        row(LABS, {"version": 5}, worst_grade=1, worst_day=6),
    ),
    case(
        "without a baseline grade 1 is treatment-emergent",
        _lab("platelets", 100),
        row(LABS, {"version": 5}, worst_grade=1, treatment_emergent=True),
        row(EVENTS, {"term": "hematologic toxicity"}, worst_grade=1),
    ),
    case(
        "without a baseline no grade is not treatment-emergent",
        _lab("platelets", 200),
        row(LABS, {"version": 5}, worst_grade=0, treatment_emergent=False),
    ),
    case(
        "a value without a unit stands in the usual one",
        _lab("neutrophils", 0.4, unit=""),
        *_grade("neutrophils", 4, 3),
    ),
    case("haemoglobin in g/dL is converted", _lab("haemoglobin", 7.9, unit="g/dL"), *_grade("haemoglobin", 3)),
    case("a value in an unknown unit is not used", _lab("platelets", 3, unit="bags"), no_row(LABS)),
    case("a value in another specimen is not used", _lab("leukocytes", 0.1, specimen="csf"), no_row(LABS)),
    case("a specimen left out is the usual one", _lab("leukocytes", 0.1, specimen=None), *_grade("leukocytes", 4)),
    case(
        "of unknown sex the milder limit: haemoglobin of 120",
        _lab("haemoglobin", 120),
        *_grade("haemoglobin", 0),
        sex=None,
    ),
    case("of unknown sex the milder limit: ALT of 45", _lab("alt", 45), *_grade("alt", 0), sex=None),
    case("of unknown sex: haemoglobin of 110", _lab("haemoglobin", 110), *_grade("haemoglobin", 1), sex=None),
    case(
        "values of day 1 and day 30 count; worst value, its first day, days at grade 4",
        lambda p: (
            p.lab(1, "neutrophils", 0.4)
            .lab(1, "neutrophils", 0.4, time="18:00")
            .lab(2, "neutrophils", 0.3)
            .lab(29, "neutrophils", 0.5)
            .lab(30, "neutrophils", 0.3)
            .follow_up(60)
        ),
        row(LABS, {"version": 5}, worst_grade=4, worst_value=0.3, worst_day=2, days_at_grade_4=3),
        row(LABS, {"version": 6}, worst_grade=3, days_at_grade_4=0),
        row("marts.patients", hematologic_toxicity_grade=4),
        row(
            EVENTS,
            {"term": "hematologic toxicity"},
            worst_grade=4,
            grading_scale="CTCAE5",
            first_study_day=2,
            phase="cart",
        ),
    ),
    case(
        "days at grade 4 of a liver value, and the first of the equal worst ones",
        lambda p: p.lab(3, "alt", 801).lab(5, "alt", 900).lab(7, "alt", 900).lab(9, "alt", 800).follow_up(60),
        row(LABS, {"version": 5}, worst_grade=4, worst_value=900.0, worst_day=5, days_at_grade_4=3),
        row(LABS, {"version": 6}, days_at_grade_4=3),
    ),
    case(
        "values of the day of infusion are baseline",
        lambda p: p.lab(0, "neutrophils", 0.3).lab(5, "neutrophils", 3).follow_up(60),
        row(LABS, {"version": 5}, worst_grade=0, baseline_grade=4, treatment_emergent=False, days_at_grade_4=0),
        row("marts.patients", hematologic_toxicity_grade=0),
        no_row(EVENTS, term="hematologic toxicity"),
    ),
    case(
        "values after day 30 do not count",
        lambda p: p.lab(31, "neutrophils", 0.3).lab(5, "neutrophils", 3).follow_up(60),
        row(LABS, {"version": 5}, worst_grade=0),
    ),
    case(
        "values from the transplant on do not count, the day before does",
        lambda p: p.hsct(20).lab(20, "neutrophils", 0.3).lab(19, "neutrophils", 0.9).follow_up(60),
        row(LABS, {"version": 5}, worst_grade=3),
    ),
    case(
        "a grade no worse than at baseline is not treatment-emergent",
        lambda p: p.lab(-30, "platelets", 60).lab(5, "platelets", 55).follow_up(60),
        row(LABS, {"version": 5}, worst_grade=2, baseline_grade=2, treatment_emergent=False),
    ),
    case(
        "a baseline older than 30 days is none",
        lambda p: p.lab(-31, "platelets", 60).lab(5, "platelets", 55).follow_up(60),
        row(LABS, {"version": 5}, worst_grade=2, baseline_grade=None, treatment_emergent=True),
    ),
    case(
        "a grade worse than at baseline is treatment-emergent",
        lambda p: p.lab(-3, "platelets", 60).lab(5, "platelets", 45).follow_up(60),
        row(LABS, {"version": 5}, worst_grade=3, baseline_grade=2, treatment_emergent=True),
    ),
    case(
        "haematologic toxicity is the worst of the four counts, liver values left out",
        lambda p: p.lab(5, "platelets", 60).lab(7, "haemoglobin", 79).lab(6, "alt", 900).follow_up(60),
        row("marts.patients", hematologic_toxicity_grade=3),
        row(EVENTS, {"term": "hematologic toxicity"}, worst_grade=3, first_study_day=7),
    ),
    case(
        "haematologic toxicity of leukocytes alone",
        lambda p: p.lab(5, "leukocytes", 0.9).lab(6, "platelets", 130).follow_up(60),
        row("marts.patients", hematologic_toxicity_grade=4),
    ),
    case(
        "no count after the infusion: haematologic toxicity unknown",
        lambda p: p.lab(-5, "leukocytes", 0.9).follow_up(60),
        row("marts.patients", hematologic_toxicity_grade=None),
    ),
]


def _crs(lee: int, astct: int) -> Expectation:
    return row(CRS, lee2014_grade=lee, astct2019_grade=astct)


def _fever(p: Patient) -> Patient:
    """Fever opens the episode on day 3; it runs to day 17."""
    return p.vital(3, "temperature", 39).follow_up(60)


def _high_dose(drug: str, bound: float, unit: str) -> list[Case]:
    """A pressor at its high dose is grade 3 for Lee, just below it grade 2; beside noradrenaline grade 4 for ASTCT."""
    below = round(bound * 0.999, 4)
    return [
        case(
            f"{drug} of {dose} {unit}",
            lambda p, dose=dose: _fever(p).medication(drug, 5, dose=dose, dose_unit=unit),
            _crs(lee, 3),
        )
        for dose, lee in ((bound, 3), (below, 2))
    ]


HIGH_DOSES: list[Case] = [
    *_high_dose("norepinephrine", 0.3, "ug/kg/min"),
    *_high_dose("epinephrine", 10, "ug/min"),
    *_high_dose("epinephrine", 0.15, "ug/kg/min"),
    *_high_dose("dopamine", 10, "ug/kg/min"),
    *_high_dose("phenylephrine", 200, "ug/min"),
    *(
        case(
            f"noradrenaline and {drug} together",
            lambda p, drug=drug: _fever(p).medication("noradrenaline", 5).medication(drug, 5),
            _crs(3, 4),
        )
        for drug in ("epinephrine", "phenylephrine", "metaraminol")
    ),
]

DERIVED_CRS: list[Case] = [
    case("fever of 38.0 is CRS", lambda p: p.vital(3, "temperature", 38.0).follow_up(60), _crs(1, 1)),
    case("37.9 degrees is no fever", lambda p: p.vital(3, "temperature", 37.9).follow_up(60), _crs(0, 0)),
    case(
        "100.4 degrees Fahrenheit is fever",
        lambda p: p.vital(3, "temperature", 100.5, unit="[degF]").follow_up(60),
        _crs(1, 1),
    ),
    case(
        "100.3 degrees Fahrenheit is none",
        lambda p: p.vital(3, "temperature", 100.3, unit="[degF]").follow_up(60),
        _crs(0, 0),
    ),
    case("fever of day 30 can open CRS", lambda p: p.vital(30, "temperature", 39).follow_up(60), _crs(1, 1)),
    case("fever of day 31 can not", lambda p: p.vital(31, "temperature", 39).follow_up(60), _crs(0, 0)),
    case("fever of the day of infusion can", lambda p: p.vital(0, "temperature", 39).follow_up(60), _crs(1, 1)),
    case("fever before the infusion can not", lambda p: p.vital(-1, "temperature", 39).follow_up(60), _crs(0, 0)),
    case(
        "the first fever opens the episode",
        lambda p: _fever(p).vital(10, "temperature", 40).vital(18, "systolic_bp", 70),
        _crs(1, 1),
        row("intermediate.int_crs_derived"),
    ),
    case("hypotension alone", lambda p: _fever(p).vital(5, "systolic_bp", 89), _crs(2, 2)),
    case("90 mmHg is no hypotension of an adult", lambda p: _fever(p).vital(5, "systolic_bp", 90), _crs(1, 1)),
    case(
        "a child of 5 years is hypotensive below 80",
        lambda p: _fever(p).vital(5, "systolic_bp", 79),
        _crs(2, 2),
        birth_date="2011-06-01",
    ),
    case(
        "a child of 5 years is not at 80",
        lambda p: _fever(p).vital(5, "systolic_bp", 80),
        _crs(1, 1),
        birth_date="2011-06-01",
    ),
    case("an infant below 70", lambda p: _fever(p).vital(5, "systolic_bp", 69), _crs(2, 2), birth_date="2016-06-01"),
    case("an infant at 70", lambda p: _fever(p).vital(5, "systolic_bp", 70), _crs(1, 1), birth_date="2016-06-01"),
    case(
        "a child of 1 year below 72",
        lambda p: _fever(p).vital(5, "systolic_bp", 71),
        _crs(2, 2),
        birth_date="2016-02-01",
    ),
    case(
        "a child of 10 years below 90",
        lambda p: _fever(p).vital(5, "systolic_bp", 89),
        _crs(2, 2),
        birth_date="2007-02-01",
    ),
    case(
        "a child of 9 years at 88", lambda p: _fever(p).vital(5, "systolic_bp", 88), _crs(1, 1), birth_date="2007-06-01"
    ),
    case("of unknown age as an adult", lambda p: _fever(p).vital(5, "systolic_bp", 89), _crs(2, 2), birth_date=None),
    case("the first day of the episode counts", lambda p: _fever(p).vital(3, "systolic_bp", 80), _crs(2, 2)),
    case("the day before it does not", lambda p: _fever(p).vital(2, "systolic_bp", 80), _crs(1, 1)),
    case("the last day of the episode counts", lambda p: _fever(p).vital(17, "systolic_bp", 80), _crs(2, 2)),
    case("the day after it does not", lambda p: _fever(p).vital(18, "systolic_bp", 80), _crs(1, 1)),
    case("oxygen of 4 L/min is below 40%", lambda p: _fever(p).vital(5, "oxygen_flow", 4), _crs(2, 2)),
    case("oxygen of 4.8 L/min is still below 40%", lambda p: _fever(p).vital(5, "oxygen_flow", 4.8), _crs(2, 2)),
    case("oxygen of 5 L/min is 40%", lambda p: _fever(p).vital(5, "oxygen_flow", 5), _crs(3, 2)),
    case("oxygen of 6 L/min is low-flow", lambda p: _fever(p).vital(5, "oxygen_flow", 6), _crs(3, 2)),
    case("more than 6 L/min is not", lambda p: _fever(p).vital(5, "oxygen_flow", 6.5), _crs(3, 3)),
    case("half a litre of oxygen", lambda p: _fever(p).vital(5, "oxygen_flow", 0.5), _crs(2, 2)),
    case("no oxygen", lambda p: _fever(p).vital(5, "oxygen_flow", 0), _crs(1, 1)),
    case(
        "the highest flow counts",
        lambda p: _fever(p).vital(5, "oxygen_flow", 3).vital(6, "oxygen_flow", 8).vital(7, "oxygen_flow", 2),
        _crs(3, 3),
    ),
    case(
        "one pressor at a low dose",
        lambda p: _fever(p).medication("noradrenaline", 5, dose=5, dose_unit="ug/min"),
        _crs(2, 3),
    ),
    case(
        "one pressor at a high dose",
        lambda p: _fever(p).medication("noradrenaline", 5, dose=20, dose_unit="µg/min"),
        _crs(3, 3),
    ),
    case(
        "one pressor just below the high dose",
        lambda p: _fever(p).medication("noradrenaline", 5, dose=19.9, dose_unit="ug/min"),
        _crs(2, 3),
    ),
    case(
        "two pressors on one day",
        lambda p: _fever(p).medication("noradrenaline", 4, until=6).medication("dopamine", 6),
        _crs(3, 4),
    ),
    case(
        "two pressors on different days are one at a time",
        lambda p: _fever(p).medication("noradrenaline", 4, until=5).medication("dopamine", 6),
        _crs(2, 3),
    ),
    case(
        "vasopressin beside another is several for Lee and one for ASTCT",
        lambda p: _fever(p).medication("noradrenaline", 5).medication("vasopressin", 5),
        _crs(3, 3),
    ),
    case("vasopressin alone is one pressor", lambda p: _fever(p).medication("vasopressin", 5), _crs(2, 3)),
    case(
        "the same pressor twice a day is one",
        lambda p: _fever(p).medication("noradrenaline", 5).medication("norepinephrine", 5),
        _crs(2, 3),
    ),
    case("a pressor of the last day", lambda p: _fever(p).medication("noradrenaline", 17, until=20), _crs(2, 3)),
    case("a pressor after the episode", lambda p: _fever(p).medication("noradrenaline", 18, until=20), _crs(1, 1)),
    case(
        "a pressor that reaches into the episode",
        lambda p: _fever(p).medication("noradrenaline", 1, until=3),
        _crs(2, 3),
    ),
    case("a pressor that ended before it", lambda p: _fever(p).medication("noradrenaline", 1, until=2), _crs(1, 1)),
    case(
        "two pressors together before the episode and one in it",
        lambda p: _fever(p).medication("noradrenaline", 1, until=3).medication("dopamine", 1, until=2),
        _crs(2, 3),
    ),
    case(
        "two pressors together only after the episode",
        lambda p: (
            _fever(p)
            .medication("noradrenaline", 16, until=18)
            .medication("dopamine", 17, until=19)
            .medication("dopamine", 20)
        ),
        _crs(3, 4),
    ),
    case("high-flow oxygen", lambda p: _fever(p).procedure("high_flow_oxygen", 5), _crs(3, 3)),
    case("a ventilator", lambda p: _fever(p).procedure("mechanical_ventilation", 5), _crs(4, 4)),
    case("a ventilator on the last day", lambda p: _fever(p).procedure("mechanical_ventilation", 17), _crs(4, 4)),
    case("a ventilator on the first day", lambda p: _fever(p).procedure("mechanical_ventilation", 3), _crs(4, 4)),
    case("a ventilator after the episode", lambda p: _fever(p).procedure("mechanical_ventilation", 18), _crs(1, 1)),
    case("a ventilator before the episode", lambda p: _fever(p).procedure("mechanical_ventilation", 2), _crs(1, 1)),
    case("transaminases of a man", lambda p: _fever(p).lab(5, "alt", 130), _crs(1, 1), sex="M"),
    case("transaminases of exactly 3 times the limit", lambda p: _fever(p).lab(5, "alt", 120), _crs(1, 1)),
    case(
        "transaminases above 3 times the limit by a comparator", lambda p: _fever(p).lab(5, "alt", ">120"), _crs(2, 1)
    ),
    case("transaminases not surely above it", lambda p: _fever(p).lab(5, "alt", ">110"), _crs(1, 1)),
    case("transaminases below a high bound", lambda p: _fever(p).lab(5, "alt", "<300"), _crs(1, 1)),
    case("transaminases of grade 1", lambda p: _fever(p).lab(5, "alt", 100), _crs(1, 1)),
    case("transaminases of grade 2", lambda p: _fever(p).lab(5, "alt", 130), _crs(2, 1)),
    case("transaminases of grade 3", lambda p: _fever(p).lab(5, "ast", 200), _crs(3, 1)),
    case("transaminases of grade 4 are grade 3", lambda p: _fever(p).lab(5, "ast", 900), _crs(3, 1)),
    case("bilirubin of grade 2", lambda p: _fever(p).lab(5, "bilirubin", 40), _crs(2, 1)),
    case("bilirubin of grade 3", lambda p: _fever(p).lab(5, "bilirubin", 70), _crs(3, 1)),
    case("bilirubin of grade 4", lambda p: _fever(p).lab(5, "bilirubin", 300), _crs(4, 1)),
    case(
        "liver values no worse than at baseline", lambda p: _fever(p).lab(0, "alt", 130).lab(5, "alt", 140), _crs(1, 1)
    ),
    case("liver values worse than at baseline", lambda p: _fever(p).lab(0, "alt", 130).lab(5, "alt", 210), _crs(3, 1)),
    case(
        "liver values as at baseline, none of them in the toxicity window",
        lambda p: p.vital(25, "temperature", 39).lab(0, "alt", 130).lab(35, "alt", 140).follow_up(60),
        _crs(1, 1),
    ),
    case(
        "liver values of the day of infusion are baseline",
        lambda p: p.vital(0, "temperature", 39).lab(0, "alt", 300).follow_up(60),
        _crs(1, 1),
    ),
    case(
        "an open baseline hides no toxicity", lambda p: _fever(p).lab(0, "alt", "<900").lab(5, "alt", 130), _crs(2, 1)
    ),
    case("a baseline of >120 is grade 2", lambda p: _fever(p).lab(0, "alt", ">120").lab(5, "alt", 130), _crs(1, 1)),
    case("and no more than that", lambda p: _fever(p).lab(0, "alt", ">120").lab(5, "alt", 210), _crs(3, 1)),
    case("a baseline of exactly 120 is grade 1", lambda p: _fever(p).lab(0, "alt", 120).lab(5, "alt", 130), _crs(2, 1)),
    case("a baseline of 121 is grade 2", lambda p: _fever(p).lab(0, "alt", 121).lab(5, "alt", 130), _crs(1, 1)),
    case(
        "a baseline of the patient's own sex",
        lambda p: _fever(p).lab(0, "alt", 130).lab(5, "alt", 160),
        _crs(2, 1),
        sex="M",
    ),
    case("liver values before the episode", lambda p: _fever(p).lab(2, "alt", 300), _crs(1, 1)),
    case("liver values of its first day", lambda p: _fever(p).lab(3, "alt", 300), _crs(3, 1)),
    case("liver values of its last day", lambda p: _fever(p).lab(17, "alt", 300), _crs(3, 1)),
    case("liver values after the episode", lambda p: _fever(p).lab(18, "alt", 300), _crs(1, 1)),
    case("low blood counts are no organ toxicity of CRS", lambda p: _fever(p).lab(5, "neutrophils", 0.1), _crs(1, 1)),
    case("death of CRS", lambda p: p.vital(3, "temperature", 39).died(20, cause="CRS grade V"), _crs(5, 5)),
    case(
        "death of CRS, the cause named by a second report",
        lambda p: p.vital(3, "temperature", 39).died(20, cause=None).died(20, visit=30, cause="CRS"),
        _crs(5, 5),
    ),
    case(
        "the cause of the report that dates the death counts",
        lambda p: p.vital(3, "temperature", 39).died(20, cause="leukemia").died(21, visit=30, cause="CRS"),
        _crs(1, 1),
    ),
    case("death of something else", lambda p: p.vital(3, "temperature", 39).died(20, cause="leukemia"), _crs(1, 1)),
    case(
        "derived and recorded agree, or not",
        lambda p: _fever(p).adverse_event("CRS", 3, grade=2).vital(5, "oxygen_flow", 8),
        row(CRS, recorded_grade=2, lee2014_grade=3, lee2014_agrees=False, astct2019_agrees=False),
    ),
    case(
        "derived and recorded agree",
        lambda p: _fever(p).adverse_event("CRS", 3, grade=1),
        row(CRS, recorded_grade=1, lee2014_agrees=True, astct2019_agrees=True),
    ),
]


def _icans(score: float, grade: int | None, day: int = 5) -> Case:
    expected = no_row(EVENTS, term="ICANS")
    if grade:
        expected = row(EVENTS, {"term": "ICANS"}, worst_grade=grade, grading_scale="ASTCT2019", first_study_day=day)
    return case(
        f"ICE score of {score} on day {day}",
        lambda p: p.vital(day, "ice_score", score).follow_up(60),
        expected,
        row("marts.patients", neurotoxicity=bool(grade)),
    )


ICANS: list[Case] = [
    _icans(10, None),
    _icans(9, 1),
    _icans(7, 1),
    _icans(6, 2),
    _icans(3, 2),
    _icans(2, 3),
    _icans(0, 3),
    _icans(5, 2, day=30),
    _icans(5, None, day=31),
    _icans(5, 2, day=0),
    _icans(5, None, day=-1),
    case(
        "the lowest ICE score counts",
        lambda p: p.vital(5, "ice_score", 8).vital(6, "ice_score", 4).vital(7, "ice_score", 9).follow_up(60),
        row(EVENTS, {"term": "ICANS"}, worst_grade=2, first_study_day=6),
    ),
]


def _neutrophils(values: Mapping[int, float | str]) -> Callable[[Patient], Patient]:
    def life(p: Patient) -> Patient:
        for day, value in values.items():
            p.lab(day, "neutrophils", value)
        return p.follow_up(120)

    return life


def _run(value: float, days: int, *, start: int = 1, after: float = 2.0) -> dict[int, float]:
    """Count every day: ``value`` for so many days, then ``after`` on the next."""
    return {**{start + day: value for day in range(days)}, start + days: after}


def _icaht(**holds: object) -> Expectation:
    return row("marts.icaht", **holds)


ICAHT: list[Case] = [
    case(
        "neutrophils never at 0.5: no ICAHT",
        _neutrophils({5: 0.51, 6: 2}),
        _icaht(early_grade=0, severe_days=0, late_grade=None),
    ),
    case("one day of neutrophils at exactly 0.5", _neutrophils({5: 0.5, 6: 2}), _icaht(early_grade=1, severe_days=1)),
    case("6 severe days", _neutrophils(_run(0.3, 6)), _icaht(early_grade=1, severe_days=6)),
    case("7 severe days", _neutrophils(_run(0.3, 7)), _icaht(early_grade=2, severe_days=7)),
    case("13 severe days", _neutrophils(_run(0.3, 13)), _icaht(early_grade=2, severe_days=13)),
    case("14 severe days", _neutrophils(_run(0.3, 14)), _icaht(early_grade=3, severe_days=14)),
    case("6 profound days", _neutrophils(_run(0.1, 6)), _icaht(early_grade=1, profound_days=6)),
    case("7 profound days", _neutrophils(_run(0.1, 7)), _icaht(early_grade=3, profound_days=7)),
    case("7 days just above 0.1", _neutrophils(_run(0.11, 7)), _icaht(early_grade=2, profound_days=0)),
    case("14 profound days", _neutrophils(_run(0.1, 14)), _icaht(early_grade=4, profound_days=14)),
    case("13 profound days", _neutrophils(_run(0.1, 13)), _icaht(early_grade=3, profound_days=13)),
    case(
        "never above 0.5 for 14 days and more",
        _neutrophils(dict.fromkeys(range(3, 17), 0.4)),
        _icaht(early_grade=4, severe_days=16),
    ),
    case(
        "never above 0.5 for 14 days",
        _neutrophils(dict.fromkeys(range(3, 15), 0.4)),
        _icaht(early_grade=4, severe_days=14),
    ),
    case("never above exactly 0.5", _neutrophils(dict.fromkeys(range(3, 17), 0.5)), _icaht(early_grade=4)),
    case(
        "never above 0.5 for fewer days",
        _neutrophils(dict.fromkeys(range(3, 11), 0.4)),
        _icaht(early_grade=2, severe_days=10),
    ),
    case(
        "never above 0.5 for 13 days",
        _neutrophils(dict.fromkeys(range(3, 14), 0.4)),
        _icaht(early_grade=2, severe_days=13),
    ),
    case(
        ">0.3 neutrophils show no neutropenia",
        _neutrophils({5: 0.3, 6: ">0.3", 8: 2}),
        _icaht(early_grade=1, severe_days=1, late_grade=None),
    ),
    case(
        "the settled count of a day goes before an open one",
        lambda p: (
            p.lab(5, "neutrophils", ">0.3", time="06:00")
            .lab(5, "neutrophils", 0.4, time="18:00")
            .lab(6, "neutrophils", 2)
        ),
        _icaht(severe_days=1),
    ),
    case(
        "14 severe days and an open count are not never above",
        _neutrophils({**dict.fromkeys(range(3, 17), 0.3), 17: ">0.3"}),
        _icaht(early_grade=3, severe_days=14),
    ),
    case(
        "late: open counts show nothing",
        _neutrophils({40: ">0.1", 50: ">0.1"}),
        _icaht(late_grade=0, late_second_lowest=None),
    ),
    case("late: nor do they hide", _neutrophils({35: ">0.1", 40: 0.4, 50: 0.5}), _icaht(late_grade=3)),
    case("a single count of 0.3 is not never", _neutrophils({5: 0.3}), _icaht(early_grade=1, severe_days=3)),
    case("a count speaks for three days", _neutrophils({5: 0.3, 15: 2}), _icaht(severe_days=3)),
    case("or until the next count", _neutrophils({5: 0.3, 7: 2}), _icaht(severe_days=2)),
    case("or until the end of the period", _neutrophils({1: 2, 30: 0.3}), _icaht(severe_days=1)),
    case(
        "the lowest count of a day counts",
        lambda p: _neutrophils({5: 2, 6: 2})(p).lab(5, "neutrophils", 0.2, time="20:00"),
        _icaht(severe_days=1),
    ),
    case("the day of infusion counts", _neutrophils({0: 0.3, 1: 2}), _icaht(severe_days=1)),
    case("days before it do not", _neutrophils({-1: 0.3, 1: 2}), _icaht(severe_days=0)),
    case(
        "after the transplant nothing counts",
        lambda p: _neutrophils({5: 2, 20: 0.3, 40: 0.2, 41: 0.2})(p).hsct(20),
        _icaht(severe_days=0, late_grade=None),
    ),
    case("late: two days at exactly 1.5", _neutrophils({31: 1.5, 100: 1.5}), _icaht(early_grade=None, late_grade=1)),
    case("late: one day alone is not enough", _neutrophils({31: 0.05, 40: 1.6}), _icaht(late_grade=0)),
    case("late: two days at exactly 1.0", _neutrophils({40: 1.0, 50: 0.9}), _icaht(late_grade=2)),
    case("late: above 1.0", _neutrophils({40: 1.01, 50: 0.9}), _icaht(late_grade=1)),
    case(
        "late: two days at exactly 0.5", _neutrophils({40: 0.5, 50: 0.4}), _icaht(late_grade=3, late_second_lowest=0.5)
    ),
    case("late: above 0.5", _neutrophils({40: 0.51, 50: 0.4}), _icaht(late_grade=2)),
    case("late: two days at exactly 0.1", _neutrophils({40: 0.1, 50: 0.05}), _icaht(late_grade=4)),
    case("late: above 0.1", _neutrophils({40: 0.11, 50: 0.05}), _icaht(late_grade=3)),
    case("late: day 101 is too late", _neutrophils({31: 1.2, 101: 1.2}), _icaht(late_grade=0)),
    case("late: day 30 is early", _neutrophils({30: 1.2, 31: 1.2, 40: 3}), _icaht(late_grade=0)),
]

PERSISTENCE: list[Case] = [
    case(
        "vector copies: peak, its first day, the last detected and the last measured day",
        lambda p: (
            p.lab(0, "LOCAL-VCN", 9e6)
            .lab(1, "LOCAL-VCN", 10)
            .lab(7, "LOCAL-VCN", 5000)
            .lab(10, "LOCAL-VCN", 5000)
            .lab(60, "LOCAL-VCN", 1)
            .lab(90, "LOCAL-VCN", 0)
            .follow_up(100)
        ),
        row(
            "marts.cell_persistence",
            {"measure": "vector_copies"},
            measurements=5,
            peak_value=5000.0,
            peak_day=7,
            last_detected_day=60,
            last_measured_day=90,
            aplasia_from_day=None,
        ),
    ),
    case(
        "B-cell aplasia lasts from the first share below 3% to the next at 3%",
        lambda p: (
            p.lab(5, "8117-4", 3).lab(20, "8117-4", 2.9).lab(60, "8117-4", 0).lab(90, "8117-4", 3).lab(120, "8117-4", 9)
        ).follow_up(130),
        row("marts.cell_persistence", {"measure": "b_cell_percent"}, aplasia_from_day=20, aplasia_until_day=90),
    ),
    case(
        "a share of <3% is aplasia, with no end in sight",
        lambda p: p.lab(21, "8117-4", "<3").follow_up(130),
        row("marts.cell_persistence", aplasia_from_day=21, aplasia_until_day=None),
    ),
    case(
        "a share of <5% is not surely aplasia",
        lambda p: p.lab(20, "8117-4", "<5").follow_up(130),
        row("marts.cell_persistence", aplasia_from_day=None),
    ),
    case(
        "a second value of the day does not end it",
        lambda p: (
            p.lab(20, "8117-4", 2, time="06:00").lab(20, "8117-4", 4, time="18:00").lab(50, "8117-4", 7).follow_up(130)
        ),
        row("marts.cell_persistence", aplasia_from_day=20, aplasia_until_day=50),
    ),
]

ANOTHER_YEAR = dt.date(2016, 6, 1)
AND_ANOTHER = dt.date(2019, 6, 1)

# Days count from the patient's own infusion: were they counted from another patient's, these would move.
OTHER_DAY_ZERO: list[Case] = [
    case(
        "infused in another year",
        lambda p: (
            p.marrow(14, 1)
            .adverse_event("CRS", 3, grade=2, until=6)
            .vital(3, "temperature", 39)
            .vital(5, "ice_score", 8)
            .medication("tocilizumab", 4)
            .medication("noradrenaline", 5)
            .stay(4, 6)
            .procedure("leukapheresis", -20)
            .lab(5, "neutrophils", 0.3)
            .lab(5, "alt", 130)
            .lab(7, "LOCAL-VCN", 10)
            .follow_up(200)
        ),
        row("marts.patients", crs_grade=2, tocilizumab=True, icu_admission=True, hematologic_toxicity_grade=4),
        row(CRS, lee2014_grade=2, astct2019_grade=3),
        row(EVENTS, {"term": "ICANS"}, first_study_day=5),
        row("marts.cell_persistence", peak_day=7),
        row("marts.events", {"event_type": "crs_treatment"}, study_day=4),
        row("marts.events", {"event_type": "icu_admission"}, study_day=4),
        infused_on=ANOTHER_YEAR,
    ),
    case(
        "infused in yet another year: relapse, transplant and death",
        lambda p: (
            p.marrow(14, 1)
            .hsct(30)
            .marrow(100, 50)
            .blood_blasts(101, 40)
            .medication("cytarabine", 110, purpose="salvage")
            .infusion(120, course=2)
            .died(150)
        ),
        time_to("EFS", 100, "relapse"),
        time_to("OS", 150, "death"),
        row("marts.events", {"event_type": "relapse"}, study_day=100),
        infused_on=AND_ANOTHER,
    ),
]

CASES: list[Case] = [*OTHER_DAY_ZERO, *RECORDED, *CARE, *CTCAE, *DERIVED_CRS, *HIGH_DOSES, *ICANS, *ICAHT, *PERSISTENCE]
