"""The plan of one patient's illness: on which days something happens, before any row is written.

Decides days only (stays, marrow samples, visits, CRS); the values on those days belong to the feed modules.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from synthetic_emr.cohort import CohortPatient

# Study days of later marrow samples, between the weekly and the quarterly rhythm.
_LATER_MARROW_DAYS = (60, 90, 120, 150, 180, 270, 360, 450, 540, 630, 720, 810, 900, 990)
_CRS_LENGTH = {1: (3, 5), 2: (5, 7), 3: (8, 10), 4: (10, 14)}
_STAY_AFTER_INFUSION = {0: 12, 1: 14, 2: 16, 3: 20, 4: 23}
# Patients with a trait that every reader of the extract has to cope with, chosen once so that tests can name them.
DATE_ONLY_INFUSIONS = frozenset({"SYN-011", "SYN-024", "SYN-037"})
PRIOR_TRANSPLANTS = frozenset({"SYN-007", "SYN-020"})
CLEARED_EXTRAMEDULLARY = frozenset({"SYN-011", "SYN-018", "SYN-030"})
MRD_PERSISTENT_LINES = frozenset({"SYN-021", "SYN-036"})
MRD_PERSISTENT_SERIES = frozenset({"SYN-007", "SYN-020"})
RELAPSE_SHOWN_BY_MARROW = frozenset({"SYN-005", "SYN-038"})
QPCR_DECIDES = frozenset({"SYN-012", "SYN-013", "SYN-029"})
FLOW_WITHOUT_VALUE = frozenset({"SYN-025", "SYN-031"})
LATE_RELAPSE_REPORTS = frozenset({"SYN-003", "SYN-010", "SYN-020"})


def stream(seed: int, *topic: str) -> random.Random:
    """An independent source of chance for one topic, the same on every machine."""
    return random.Random(":".join([str(seed), *topic]))  # noqa: S311 - invented data, not secrets


@dataclass(frozen=True)
class Course:
    """One patient's plan; every day is a study day."""

    patient: CohortPatient
    seed: int
    crs_start: int
    crs_end: int
    admission: int
    discharge: int
    infusion_has_time: bool
    marrow_days: tuple[int, ...]
    visit_days: tuple[int, ...]
    residual_sign: str
    relapse_site: str

    def chance(self, topic: str) -> random.Random:
        """The patient's own source of chance for a topic."""
        return stream(self.seed, self.patient.patient_id, topic)

    def in_remission(self, day: int) -> bool:
        """From the first complete remission until the day before relapse."""
        patient = self.patient
        if patient.cr_day is None or day < patient.cr_day:
            return False
        return patient.relapse_day is None or day < patient.relapse_day

    def relapsed(self, day: int) -> bool:
        """On or after the relapse that followed the infusion."""
        return self.patient.relapse_day is not None and day >= self.patient.relapse_day

    @property
    def last_sample_day(self) -> int:
        """The last day on which something can still be sampled or measured."""
        return self.patient.last_day - 1 if self.patient.death_day is not None else self.patient.last_day


def plan_course(patient: CohortPatient, seed: int) -> Course:
    """Days of one patient's illness, the same for the same seed."""
    chance = stream(seed, patient.patient_id, "course")
    crs_start, crs_end = _crs_days(patient, chance)
    discharge = _discharge_day(patient, crs_end)
    return Course(
        patient=patient,
        seed=seed,
        crs_start=crs_start,
        crs_end=crs_end,
        admission=-7,
        discharge=discharge,
        infusion_has_time=patient.patient_id not in DATE_ONLY_INFUSIONS,
        marrow_days=_marrow_days(patient, chance),
        visit_days=_visit_days(patient, discharge),
        residual_sign=_residual_sign(patient),
        relapse_site=_relapse_site(patient, chance),
    )


def _crs_days(patient: CohortPatient, chance: random.Random) -> tuple[int, int]:
    if patient.crs_grade == 0:
        return 0, 0
    start = chance.randint(1, 3)
    if patient.crs_grade == 5:
        return start, patient.last_day
    return start, start + chance.randint(*_CRS_LENGTH[patient.crs_grade])


def _discharge_day(patient: CohortPatient, crs_end: int) -> int:
    if patient.crs_grade == 5:
        return patient.last_day
    discharge = max(_STAY_AFTER_INFUSION[patient.crs_grade], crs_end + 3)
    return discharge if patient.hsct_day is None else min(discharge, patient.hsct_day - 10)


def _marrow_days(patient: CohortPatient, chance: random.Random) -> tuple[int, ...]:
    """Every 3 to 5 days for four weeks, then weekly and monthly; days that decide an outcome are always among them."""
    decisive = patient.cr_day or patient.failure_day
    if decisive is None:
        raise ValueError(f"{patient.patient_id}: neither a remission nor a treatment failure day; mend the cohort file")
    days = {decisive}
    # Nothing is assessed between day 28 and a treatment failure, or the failure would be dated there.
    day = decisive - chance.randint(3, 5) if patient.failure_day is None else 27 - chance.randint(0, 2)
    while day >= 4:
        days.add(day)
        day -= chance.randint(3, 5)
    horizon = patient.relapse_day if patient.relapse_day is not None else patient.last_day
    anchor = decisive
    if patient.mrd_negative_day is not None:
        days |= _steps(anchor, patient.mrd_negative_day, chance)
        anchor = patient.mrd_negative_day
        days.add(anchor)
    days |= _steps(anchor, 45, chance) | set(_LATER_MARROW_DAYS)
    days = {day for day in days if day == decisive or day == patient.mrd_negative_day or day <= horizon - 3}
    if patient.relapse_day is not None:
        days.add(patient.relapse_day)
        if patient.last_day > patient.relapse_day + 32:
            days.add(patient.relapse_day + 28)
    return tuple(sorted(days))


def _steps(after: int, before: int, chance: random.Random) -> set[int]:
    days = set()
    day = after + _step(after, chance)
    while day <= before - 3:
        days.add(day)
        day += _step(day, chance)
    return days


def _step(day: int, chance: random.Random) -> int:
    return chance.randint(3, 5) if day < 28 else 7


def _visit_days(patient: CohortPatient, discharge: int) -> tuple[int, ...]:
    """Weekly for four weeks, monthly for six months, then quarterly, and the last contact itself."""
    weekly = [discharge + 7 * week for week in range(1, 5)]
    monthly = [weekly[-1] + 30 * month for month in range(1, 7)]
    quarterly = [monthly[-1] + 91 * quarter for quarter in range(1, 13)]
    days = {day for day in weekly + monthly + quarterly if day <= patient.last_day - 4}
    if patient.relapse_day is not None:
        report = relapse_report_day(patient)
        days = {day for day in days if not patient.relapse_day - 3 <= day <= report + 3} | {report}
    return tuple(sorted(days | {patient.last_day}))


def relapse_report_day(patient: CohortPatient) -> int:
    """The visit at which a relapse is written down: mostly its own day, for some a few days later."""
    if patient.relapse_day is None:
        raise ValueError(f"{patient.patient_id} has no relapse to report")
    return patient.relapse_day + (3 if patient.patient_id in LATE_RELAPSE_REPORTS else 0)


def _residual_sign(patient: CohortPatient) -> str:
    """What speaks against remission at the assessments before it: marrow, an extramedullary site, or blood."""
    if patient.cr_day is None or patient.number("bm_blasts_pct") >= 5:
        return "marrow"
    return "extramedullary" if patient.flag("extramedullary") else "blood"


def _relapse_site(patient: CohortPatient, chance: random.Random) -> str:
    if patient.relapse_day is None:
        return ""
    sites = ["bone marrow", "bone marrow", "bone marrow and blood"]
    diseased, _ = extramedullary_sites(patient)
    return chance.choice([*sites, *diseased * 2])


def extramedullary_sites(patient: CohortPatient) -> tuple[list[str], list[str]]:
    """Sites with disease at baseline, and sites looked at and found clear."""
    male = patient.text("sex") == "male"
    if not patient.flag("extramedullary"):
        return [], ["cns", "testis"] if male else ["cns"]
    if patient.flag("cnsl"):
        return ["cns"], ["testis"] if male else []
    return (["testis"], ["cns"]) if male and int(patient.patient_id[-1]) % 2 else (["skin"], ["cns"])
