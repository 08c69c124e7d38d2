"""Rows of treatment: CAR-T infusions, drug charts, procedures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time

from synthetic_emr import course as traits
from synthetic_emr.contract import Row
from synthetic_emr.course import Course

REPEATED_CELLS = "repeated CAR-T consolidation"
CONSOLIDATION = "consolidation chemotherapy"
SALVAGE = "salvage chemotherapy"
_SPLIT_DOSE = (0.1, 0.3, 0.6)
# A repeated infusion after fludarabine in patients whose first lymphodepletion went without it.
_OTHER_DEPLETION_BEFORE_REPEAT = frozenset({"SYN-009", "SYN-034"})


def cart_infusions(course: Course) -> list[Row]:
    """Course 1 on day 0, for a third of the patients split into 10, 30 and 60%; course 2 as consolidation."""
    patient = course.patient
    chance = course.chance("cells")
    target = {"anti-CD19": "CD19", "anti-CD19+CD22": "CD19+CD22"}[patient.text("cart_product")]
    dose = chance.choice([3, 4, 5, 6, 8, 10]) * 1e6
    parts = _SPLIT_DOSE if chance.random() < 1 / 3 else (1.0,)
    planned = [(0 + part, 1, part + 1, dose * share) for part, share in enumerate(parts)]
    if patient.text("subsequent_therapy") == REPEATED_CELLS:
        planned.append((int(patient.text("subsequent_therapy_day")), 2, 1, dose))
    return [
        {
            "infusion_id": f"{patient.patient_id}-C{number}F{fraction}",
            "infused_at": _at(course, day, time(10, 30)) if course.infusion_has_time else patient.on(day).isoformat(),
            "course": str(number),
            "fraction": str(fraction),
            "target": target,
            "cells_per_kg": f"{cells:.0f}",
        }
        for day, number, fraction, cells in planned
    ]


def _at(course: Course, day: int, moment: time) -> str:
    return datetime.combine(course.patient.on(day), moment).isoformat(timespec="minutes")


@dataclass(frozen=True)
class _Order:
    """A drug given once a day from its first to its last study day."""

    drug: str
    first: int
    last: int
    dose: float
    unit: str
    purpose: str
    given: time = time(9, 0)
    hours: int = 1


def medications(course: Course) -> list[Row]:
    """The drug chart: one row per drug and day."""
    orders = _depletion(course, 0) + _premedication(course) + _crs_treatment(course) + _supportive(course)
    orders += _subsequent_therapy(course) + _transplant_drugs(course)
    rows = []
    for order in orders:
        for day in range(order.first, min(order.last, course.last_sample_day) + 1):
            begin = datetime.combine(course.patient.on(day), order.given)
            rows.append(
                {
                    "drug": order.drug,
                    "started_at": begin.isoformat(timespec="minutes"),
                    "ended_at": begin.replace(hour=begin.hour + order.hours).isoformat(timespec="minutes"),
                    "dose": f"{order.dose:g}",
                    "dose_unit": order.unit,
                    "purpose": order.purpose,
                }
            )
    return rows


def _depletion(course: Course, infusion_day: int, *, with_fludarabine: bool | None = None) -> list[_Order]:
    """Cyclophosphamide on days -5 to -2, with fludarabine or with another companion."""
    patient = course.patient
    fludarabine = patient.flag("flu_cy") if with_fludarabine is None else with_fludarabine
    first = infusion_day - 5
    orders = [_Order("cyclophosphamide", first, infusion_day - 2, 300, "mg/m2", "lymphodepletion")]
    if fludarabine:
        return [_Order("fludarabine", first, first + 2, 30, "mg/m2", "lymphodepletion"), *orders]
    companion = course.chance(f"companion {infusion_day}").choice(["cytarabine", "etoposide", ""])
    if companion:
        orders.append(_Order(companion, first, first + 1, 100, "mg/m2", "lymphodepletion", time(11, 0)))
    return orders


def _premedication(course: Course) -> list[_Order]:
    return [
        _Order("acetaminophen", 0, 0, 500, "mg", "premedication", time(9, 45)),
        _Order("diphenhydramine", 0, 0, 20, "mg", "premedication", time(9, 50)),
    ]


def _crs_treatment(course: Course) -> list[_Order]:
    """Fluids and pressors by severity, tocilizumab and glucocorticoids where the patient got them."""
    patient = course.patient
    if not patient.crs_grade:
        return []
    start, end = course.crs_start, course.crs_end
    orders = []
    if patient.flag("crs_hypotension"):
        orders.append(_Order("sodium chloride 0.9%", start, end - 1, 10, "mL/kg", "crs_treatment", time(8, 0)))
        orders += _pressors(patient.crs_grade, start + 1, max(start + 1, end - 2))
    if patient.flag("tocilizumab"):
        orders.append(_Order("tocilizumab", start + 1, start + 1, 8, "mg/kg", "crs_treatment", time(15, 0)))
    if patient.flag("glucocorticoids"):
        drug, dose = course.chance("steroid").choice([("methylprednisolone", 2.0), ("dexamethasone", 0.3)])
        orders.append(_Order(drug, start + 2, min(end, start + 6), dose, "mg/kg", "crs_treatment", time(16, 0)))
    return orders


def _pressors(crs_grade: int, first: int, last: int) -> list[_Order]:
    """Lee 2014: none in grade 1, one at a low dose in grade 2, high or several from grade 3."""
    if crs_grade == 1:
        return []
    dose = 5 if crs_grade == 2 else 25
    orders = [_Order("noradrenaline", first, last, dose, "ug/min", "crs_treatment", time(7, 0), 12)]
    if crs_grade >= 4:
        orders.append(_Order("vasopressin", first, last, 0.03, "U/min", "crs_treatment", time(7, 0), 12))
    return orders


def _supportive(course: Course) -> list[_Order]:
    """Drugs that must not be taken for treatment of CRS, lymphodepletion or consolidation."""
    patient = course.patient
    orders = [_Order("sulfamethoxazole-trimethoprim", 1, 10, 480, "mg", "infection_prophylaxis", time(8, 30))]
    if patient.flag("cnsl"):
        orders.append(_Order("dexamethasone", -3, -3, 5, "mg", "intrathecal", time(14, 10)))
    if patient.hematologic_grade >= 4:
        orders.append(_Order("filgrastim", 15, 18, 5, "ug/kg", "supportive", time(8, 45)))
    if patient.flag("infection"):
        orders.append(_Order("meropenem", 7, 14, 1000, "mg", "infection_treatment", time(10, 0)))
    return orders


def _subsequent_therapy(course: Course) -> list[_Order]:
    patient = course.patient
    therapy = patient.text("subsequent_therapy")
    day = patient.whole("subsequent_therapy_day")
    if day is None:
        return []
    if therapy == REPEATED_CELLS:
        other = patient.patient_id in _OTHER_DEPLETION_BEFORE_REPEAT
        return _depletion(course, day, with_fludarabine=True if other else None)
    if therapy == CONSOLIDATION:
        return [
            _Order("methotrexate", day, day, 3000, "mg/m2", "consolidation"),
            _Order("mercaptopurine", day, day + 6, 25, "mg/m2", "consolidation", time(21, 0)),
        ]
    if therapy == SALVAGE:
        return [
            _Order("fludarabine", day, day + 4, 30, "mg/m2", "salvage"),
            _Order("cytarabine", day, day + 4, 1000, "mg/m2", "salvage", time(13, 0)),
        ]
    return []


def _transplant_drugs(course: Course) -> list[_Order]:
    patient = course.patient
    day = patient.hsct_day
    if day is None:
        return []
    orders = [
        _Order("busulfan", day - 7, day - 4, 3.2, "mg/kg", "conditioning"),
        _Order("cyclophosphamide", day - 3, day - 2, 1800, "mg/m2", "conditioning"),
        _Order("ciclosporin", day - 1, day + 28, 2.5, "mg/kg", "gvhd_prophylaxis", time(20, 0)),
        _Order("methotrexate", day + 1, day + 1, 15, "mg/m2", "gvhd_prophylaxis", time(12, 0)),
    ]
    if (patient.gvhd_grade or 0) >= 2:
        orders.append(_Order("methylprednisolone", day + 19, day + 26, 2, "mg/kg", "gvhd_treatment", time(16, 30)))
    return orders


def procedures(course: Course) -> list[Row]:
    """Leukapheresis, lumbar punctures, ventilation in the worst CRS, transplantations (two before CAR-T)."""
    patient = course.patient
    done = [("leukapheresis", -16, "peripheral blood mononuclear cells"), ("lumbar_puncture", -3, "")]
    done.append(("lumbar_puncture", 7, ""))
    if patient.crs_grade >= 4 and patient.flag("crs_hypoxemia"):
        kind = "mechanical_ventilation" if patient.flag("icu") else "noninvasive_ventilation"
        done.append((kind, course.crs_start + 2, "cytokine release syndrome"))
    if patient.hsct_day is not None:
        donor = course.chance("donor").choice(["haploidentical", "matched sibling", "matched unrelated"])
        done.append(("allo_hsct", patient.hsct_day, donor))
    if patient.patient_id in traits.PRIOR_TRANSPLANTS:
        done.append(("allo_hsct", -410, "matched sibling, before CAR-T"))
    return [
        {"procedure": name, "performed_on": patient.on(day).isoformat(), "detail": detail}
        for name, day, detail in sorted(done, key=lambda item: (item[1], item[0]))
    ]
