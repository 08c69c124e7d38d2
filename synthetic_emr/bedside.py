"""Rows of the ward: vital signs, stays, recorded adverse events, visits."""

from __future__ import annotations

from datetime import datetime, time

from synthetic_emr.contract import Row
from synthetic_emr.course import Course

_UNITS = {"temperature": "Cel", "systolic_bp": "mm[Hg]", "spo2": "%", "oxygen_flow": "L/min"}
_ROUNDS = (time(6, 10), time(12, 20), time(18, 15), time(22, 40))
_OXYGEN_BY_CRS_GRADE = {1: 2, 2: 3, 3: 10, 4: 15, 5: 15}


def vital_signs(course: Course) -> list[Row]:
    """Four rounds a day during CRS, else two, from the day before the infusion to discharge."""
    rows = []
    for day in range(-1, min(course.discharge, course.last_sample_day) + 1):
        in_crs = course.patient.crs_grade > 0 and course.crs_start <= day <= course.crs_end
        for round_time in _ROUNDS if in_crs else _ROUNDS[::2]:
            measured = datetime.combine(course.patient.on(day), round_time)
            for sign, value in _signs(course, day, in_crs, round_time).items():
                text = f"{value:.1f}" if sign == "temperature" else f"{value:.0f}"
                rows.append(
                    {
                        "measured_at": measured.isoformat(timespec="minutes"),
                        "sign": sign,
                        "value": text,
                        "unit": _UNITS[sign],
                    }
                )
    return rows


def _signs(course: Course, day: int, in_crs: bool, round_time: time) -> dict[str, float]:
    patient = course.patient
    chance = course.chance(f"vitals {day} {round_time}")
    age = int(patient.text("age_years"))
    normal_pressure = min(118, 96 + 1.6 * age)
    low_pressure = min(84, 64 + 1.6 * age)
    signs = {
        "temperature": chance.uniform(36.2, 37.2),
        "systolic_bp": normal_pressure + chance.uniform(-4, 12),
        "spo2": float(chance.randint(96, 100)),
    }
    if not in_crs:
        return signs
    # Symptoms ease off on the last day; before, the first rounds of a day are the worst.
    worst = day == course.crs_start or (day < course.crs_end and round_time in _ROUNDS[:2])
    if patient.flag("crs_fever") and worst:
        signs["temperature"] = chance.uniform(38.5, 39.4 + 0.2 * patient.crs_grade)
    if patient.flag("crs_hypotension") and worst:
        signs["systolic_bp"] = low_pressure - chance.uniform(0, 6)
    if patient.flag("crs_hypoxemia"):
        signs["spo2"] = float(chance.randint(84, 89)) if worst else float(chance.randint(93, 96))
        signs["oxygen_flow"] = float(_OXYGEN_BY_CRS_GRADE[patient.crs_grade])
    return signs


def encounters(course: Course) -> list[Row]:
    """The infusion stay (with intensive care nested in it), the transplant stay, outpatient visits."""
    patient = course.patient
    died_in_stay = patient.death_day is not None and patient.death_day <= course.discharge
    stays = [("ward", course.admission, course.discharge)]
    if patient.flag("icu"):
        stays.append(("icu", course.crs_start + 1, course.crs_end if died_in_stay else course.crs_end - 1))
    if patient.hsct_day is not None:
        stays.append(("ward", patient.hsct_day - 9, min(patient.hsct_day + 30, patient.last_day)))
    inpatient_days = {day for _, first, last in stays for day in range(first, last + 1)}
    clinic_days = [day for day in course.visit_days if day not in inpatient_days and day != patient.death_day]
    stays += [("outpatient", day, day) for day in clinic_days]
    rows = []
    for number, (unit, first, last) in enumerate(sorted(stays, key=lambda stay: (stay[1], stay[0])), start=1):
        begin, end = (time(9, 0), time(11, 30)) if unit == "outpatient" else (time(10, 15), time(16, 40))
        rows.append(
            {
                "encounter_id": f"{patient.patient_id}-E{number:02d}",
                "care_unit": unit,
                "admitted_at": datetime.combine(patient.on(first), begin).isoformat(timespec="minutes"),
                "discharged_at": datetime.combine(patient.on(last), end).isoformat(timespec="minutes"),
            }
        )
    return rows


def adverse_events(course: Course) -> list[Row]:
    """What the physicians recorded: CRS with its symptoms, other events after the cells, then after transplantation."""
    return _cart_events(course) + _transplant_events(course)


def _cart_events(course: Course) -> list[Row]:
    patient = course.patient
    rows = []
    if patient.crs_grade:
        crs = _event(course, "CRS", patient.crs_grade, "Lee2014", course.crs_start, course.crs_end)
        rows = [crs] + [
            _event(course, term, grade, "CTCAE5", course.crs_start, course.crs_end, parent=crs["event_id"])
            for term, grade in _crs_symptoms(course)
        ]
    chance = course.chance("other events")
    if patient.flag("neurotoxicity"):
        start = chance.randint(4, 8)
        rows.append(_event(course, "neurotoxicity", chance.randint(1, 3), "CTCAE5", start, start + 5))
    if patient.flag("infection"):
        start = chance.randint(6, 14)
        rows.append(_event(course, "infection", 3, "CTCAE5", start, start + chance.randint(5, 9)))
    return rows


def _crs_symptoms(course: Course) -> list[tuple[str, int]]:
    patient = course.patient
    severity = min(4, patient.crs_grade)
    recorded = [
        ("fever", "crs_fever", min(3, severity)),
        ("hypotension", "crs_hypotension", severity),
        ("hypoxemia", "crs_hypoxemia", max(2, severity)),
        ("capillary leak syndrome", "crs_capillary_leak", max(2, min(3, severity))),
        ("hepatic injury", "crs_hepatic_injury", patient.hepatic_grade),
        ("heart injury", "crs_heart_injury", patient.heart_grade),
    ]
    return [(term, grade) for term, column, grade in recorded if patient.flag(column) and grade is not None]


def _transplant_events(course: Course) -> list[Row]:
    patient = course.patient
    transplant = patient.hsct_day
    if transplant is None:
        return []
    chance = course.chance("transplant events")
    recorded = [
        ("GVHD", "hsct_gvhd", patient.gvhd_grade, "NIH", 16),
        ("erythra", "hsct_erythra", 2, "CTCAE5", 14),
        ("gastrointestinal reactions", "hsct_gastrointestinal", 2, "CTCAE5", 2),
        ("hepatic injury", "hsct_hepatic_injury", 2, "CTCAE5", 9),
        ("hemorrhagic cystitis", "hsct_hemorrhagic_cystitis", 2, "CTCAE5", 15),
        ("hepatic veno-occlusive disease", "hsct_hepatic_vod", 3, "CTCAE5", 11),
        ("infection", "hsct_infection", 3, "CTCAE5", 6),
    ]
    rows = []
    for term, column, grade, scale, usual_day in recorded:
        if patient.flag(column) and grade is not None:
            start = min(transplant + usual_day + chance.randint(0, 3), patient.last_day - 1)
            rows.append(_event(course, term, grade, scale, start, start + chance.randint(4, 12), phase="hsct"))
    return rows


def _event(
    course: Course,
    term: str,
    grade: int,
    scale: str,
    start: int,
    end: int,
    *,
    parent: str = "",
    phase: str = "cart",
) -> Row:
    patient = course.patient
    # An event that was still going on at the last contact has no end.
    ended = patient.on(end).isoformat() if end < patient.last_day else ""
    return {
        "event_id": f"{patient.patient_id}-{phase}-{term.replace(' ', '-')}",
        "parent_event_id": parent,
        "term": term,
        "grade": str(grade),
        "grading_scale": scale,
        "started_on": patient.on(start).isoformat(),
        "ended_on": ended,
        "phase": phase,
    }


def follow_ups(course: Course) -> list[Row]:
    """One row per visit; death is written down on its own day."""
    patient = course.patient
    rows = []
    for day in course.visit_days:
        dead = day == patient.death_day
        relapse = patient.relapse_day if course.relapsed(day) else None
        without_relapse = "remission" if course.in_remission(day) else "not_assessed"
        rows.append(
            {
                "visited_on": patient.on(day).isoformat(),
                "vital_status": "dead" if dead else "alive",
                "death_on": patient.on(day).isoformat() if dead else "",
                "cause_of_death": patient.text("death_cause") if dead else "",
                "disease_status": without_relapse if relapse is None else "relapse",
                "relapse_on": "" if relapse is None else patient.on(relapse).isoformat(),
                "relapse_site": "" if relapse is None else course.relapse_site,
            }
        )
    return rows
