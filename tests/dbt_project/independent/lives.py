"""Lives that nobody prepared: rows drawn at random, most of them at or beside a bound of a rule."""

from __future__ import annotations

import datetime as dt
from random import Random
from typing import Any

from tests.cohort import CUTOFF, Cohort, Patient

DAYS = (-20, -8, -7, -1, 0, 1, 2, 6, 7, 8, 13, 14, 15, 21, 27, 28, 29, 35, 42, 60, 89, 90, 91, 97, 98, 120, 200, 400)
COUNTS = (0.05, 0.1, 0.11, 0.3, 0.5, 0.51, 0.9, 1.0, 1.2, 1.5, 1.7, 1.8, 2.5, "<0.5", "<0.1", "<1.0", ">0.5", ">0.3")
MRD_VALUES = (0, 0.001, 0.0099, 0.01, 0.02, 5, "<0.01", "<0.1", ">0.01", ">0.001", None)
CAUSES = ("leukemia", "infection", "CRS", "cytokine release syndrome, grade 5", None)
PRESSORS = (
    ("norepinephrine", (5, 19.9, 20), "ug/min"),
    ("noradrenaline", (0.1, 0.3), "ug/kg/min"),
    ("dopamine", (5, 10), "ug/kg/min"),
    ("vasopressin", (0.03,), "U/min"),
    ("epinephrine", (2, 10), "ug/min"),
)


def random_cohort(patients: int, seed: int) -> Cohort:
    """Return a cohort of so many random lives; the same seed gives the same rows."""
    cohort = Cohort()
    for number in range(patients):
        chance = Random(f"{seed} {number}")
        infused_on = CUTOFF - dt.timedelta(days=chance.choice((10, 60, 95, 300, 700, 1400)) + chance.randrange(20))
        born = chance.choice((None, "2012-03-05", "2016-11-30", f"{chance.randint(1950, 2010)}-06-15"))
        patient = cohort.patient(
            f"life {number}", sex=chance.choice(("F", "M", None)), birth_date=born, infused_on=infused_on
        )
        _live(patient, chance)
    return cohort


def _live(patient: Patient, chance: Random) -> None:
    day = _Days(patient, chance)
    if chance.random() < 0.2:
        patient.infusion(chance.choice((-30, 1, 60)), course=2)
    _disease(patient, chance, day)
    _toxicity(patient, chance, day)
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        patient.hsct(day.any((-100, 0, 1, 20, 40, 61, 62, 63, 100)))
    _visits(patient, chance, day)


class _Days:
    """Study days as the source may write them: mostly whole, now and then by month or year, no two rows alike."""

    def __init__(self, patient: Patient, chance: Random) -> None:
        self.patient, self.chance = patient, chance
        self.used: set[tuple[str, str]] = set()

    def any(self, days: tuple[int, ...] = DAYS) -> int | str:
        day = self.chance.choice(days)
        date = str(self.patient.date(day))
        share = self.chance.random()
        return date[:7] if share < 0.04 else date[:4] if share < 0.05 else day

    def fresh(self, what: str, day: int | str) -> bool:
        """Whether there is no such row on that day yet (a key of the contract occurs once)."""
        key = (what, str(self.patient.date(day)))
        is_fresh = key not in self.used
        self.used.add(key)
        return is_fresh


def _disease(patient: Patient, chance: Random, day: _Days) -> None:
    for _ in range(chance.choice((0, 1, 2, 3, 5))):
        when = day.any()
        if day.fresh("marrow", when):
            patient.marrow(when, chance.choice((0, 1, 4.9, 5, 5.1, 30, None, 0, 1)))
    for _ in range(chance.choice((0, 0, 1, 2, 3))):
        when, site = day.any(), chance.choice(("cns", "testis"))
        if day.fresh(site, when):
            patient.extramedullary(when, chance.choice(("present", "absent", "absent")), site=site)
    for _ in range(chance.choice((0, 0, 1, 2, 3))):
        when = chance.choice(DAYS)
        if day.fresh("blood", when):
            specimen = chance.choice(("blood", "blood", "blood", None, "csf"))
            patient.blood_blasts(when, chance.choice((0, 0, "<1", ">0", 2)), specimen=specimen)
    for _ in range(chance.choice((0, 1, 2, 3))):
        when, by_flow = day.any(), chance.random() < 0.7
        target = None if by_flow else chance.choice(("BCR::ABL1", "BCR/ABL1", "TCF3::PBX1", "WT1"))
        if day.fresh(f"mrd {target}", when):
            value = chance.choice(MRD_VALUES) if by_flow else None
            verdict = (
                chance.choice(("negative", "positive", None)) if by_flow else chance.choice(("negative", "positive"))
            )
            patient.mrd(when, value, result=verdict, method="flow" if by_flow else "qpcr", target=target)


def _toxicity(patient: Patient, chance: Random, day: _Days) -> None:
    steps = chance.choice(((), (1,), (1, 2, 4), (5, 9)))
    when = chance.choice((-3, 0, 1, 3))
    low = chance.random() < 0.3
    while steps and when < 45:
        values: tuple[Any, ...] = (0.05, 0.1, 0.3, 0.5) if low and chance.random() < 0.95 else COUNTS
        patient.lab(when, "neutrophils", chance.choice(values))
        when += chance.choice(steps)
    for sign, values in (
        ("temperature", (37.0, 37.9, 38.0, 39.5)),
        ("systolic_bp", (74, 78, 85, 89, 90, 110)),
        ("oxygen_flow", (0, 0.5, 4, 4.9, 5, 6, 10)),
    ):
        for _ in range(chance.choice((0, 0, 1, 2))):
            when = chance.choice((-1, 0, 1, 5, 14, 15, 19, 20, 30, 31, 44, 45))
            if day.fresh(sign, when):
                patient.vital(when, sign, chance.choice(values))
    if chance.random() < 0.1 and day.fresh("temperature", 4):
        patient.vital(4, "temperature", chance.choice((100.3, 100.5, 102)), unit="[degF]")
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        drug, doses, unit = chance.choice(PRESSORS)
        start = chance.choice((0, 1, 5, 15, 19, 20, 31))
        until = start + chance.choice((0, 1, 6))
        patient.medication(drug, start, until=until, dose=chance.choice(doses), dose_unit=unit)
    for _ in range(chance.choice((0, 0, 0, 1))):
        patient.procedure(
            chance.choice(("intubation", "high_flow_oxygen", "lumbar_puncture")), chance.choice((3, 15, 20, 40))
        )
    for test, values in (
        ("alt", (30, 45, 120, 121, 200, 251, 801, 1001, ">800", "<200")),
        ("ast", (30, 106, 121, 201)),
        ("bilirubin", (10, 32, 40, 64, 80, 211, 261)),
    ):
        for when in chance.sample((-40, -5, 0, 1, 6, 15, 20, 30, 45), chance.choice((0, 0, 1, 2, 3))):
            patient.lab(when, test, chance.choice(values))


def _visits(patient: Patient, chance: Random, day: _Days) -> None:
    for _ in range(chance.choice((0, 1, 2, 3))):
        when = day.any((-10, 0, 14, 30, 60, 90, 150, 365, 800))
        if not day.fresh("visit", when):
            continue
        share = chance.random()
        if share < 0.15:
            patient.follow_up(when, disease_status="relapse", relapse=chance.choice((None, day.any())))
        elif share < 0.2:
            patient.follow_up(when, relapse=day.any(), disease_status=None)
        elif share < 0.4:
            dead_on = chance.choice((None, day.any((-20, 0, 1, 14, 28, 60, 91, 400))))
            patient.follow_up(
                when, vital_status="dead", death=dead_on, cause=chance.choice(CAUSES), disease_status=None
            )
        else:
            patient.follow_up(when, vital_status=chance.choice(("alive", None)), disease_status="remission")
