"""Laboratory rows: blood counts whose nadir reaches the recorded toxicity grade and no more, chemistry, CRS markers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time

from synthetic_emr.contract import Row
from synthetic_emr.course import Course

# Counts are graded on study days 1 to this one.
_LAST_GRADED_DAY = 30
# Beyond this no analyser counts; only the leukocytes of one patient come near it.
_HIGHEST_COUNT = 960.0


@dataclass(frozen=True)
class Test:
    """One laboratory test as the hospital reports it."""

    loinc: str
    name: str
    unit: str
    decimals: int


LEUKOCYTES = Test("6690-2", "Leukocytes", "10*9/L", 2)
NEUTROPHILS = Test("751-8", "Neutrophils", "10*9/L", 2)
PLATELETS = Test("777-3", "Platelets", "10*9/L", 0)
HAEMOGLOBIN = Test("718-7", "Haemoglobin", "g/L", 0)
BLOOD_BLASTS = Test("26446-6", "Blasts in blood", "%", 0)
ALT = Test("1742-6", "Alanine aminotransferase", "U/L", 0)
AST = Test("1920-8", "Aspartate aminotransferase", "U/L", 0)
BILIRUBIN = Test("1975-2", "Bilirubin, total", "umol/L", 1)
CREATININE = Test("2160-0", "Creatinine", "umol/L", 0)
POTASSIUM = Test("2823-3", "Potassium", "mmol/L", 1)
LDH = Test("2532-0", "Lactate dehydrogenase", "U/L", 0)
CRP = Test("1988-5", "C-reactive protein", "mg/L", 1)
FERRITIN = Test("2276-4", "Ferritin", "ug/L", 0)
IL6 = Test("26881-3", "Interleukin-6", "pg/mL", 1)
INTERFERON = Test("27415-9", "Interferon gamma", "pg/mL", 1)
TROPONIN = Test("10839-9", "Troponin I", "ug/L", 2)
VECTOR_COPIES = Test("LOCAL-VCN", "CAR vector copies", "copies/ug DNA", 0)
CSF_LEUKOCYTES = Test("806-0", "Leukocytes in cerebrospinal fluid", "10*6/L", 0)
CSF_PROTEIN = Test("2880-3", "Protein in cerebrospinal fluid", "g/L", 2)

# Lowest values by CTCAE 5 grade reached on days 1 to 30; each stands well inside its grade and below any adult limit.
_NADIRS = {
    LEUKOCYTES: {1: 3.30, 2: 2.40, 3: 1.40, 4: 0.55},
    NEUTROPHILS: {1: 1.80, 2: 1.20, 3: 0.70, 4: 0.18},
    PLATELETS: {1: 92.0, 2: 62.0, 3: 36.0, 4: 14.0},
    HAEMOGLOBIN: {1: 106.0, 2: 90.0, 3: 72.0, 4: 66.0},
}
# No value on those days falls below these, so that no other count is worse than the recorded grade.
_FLOORS = {
    LEUKOCYTES: {1: 3.10, 2: 2.10, 3: 1.10, 4: 0.10},
    NEUTROPHILS: {1: 1.60, 2: 1.05, 3: 0.55, 4: 0.02},
    PLATELETS: {1: 80.0, 2: 54.0, 3: 28.0, 4: 6.0},
    HAEMOGLOBIN: {1: 102.0, 2: 84.0, 3: 62.0, 4: 58.0},
}
_RECOVERED = {LEUKOCYTES: 4.8, NEUTROPHILS: 2.9, PLATELETS: 155.0, HAEMOGLOBIN: 122.0}
_TRANSPLANT_NADIR = {LEUKOCYTES: 0.3, NEUTROPHILS: 0.05, PLATELETS: 13.0, HAEMOGLOBIN: 72.0}
_RELAPSE = {LEUKOCYTES: 17.0, NEUTROPHILS: 0.9, PLATELETS: 42.0, HAEMOGLOBIN: 84.0}
_COUNTS = (LEUKOCYTES, NEUTROPHILS, PLATELETS, HAEMOGLOBIN)


def lab_results(course: Course) -> list[Row]:
    """Daily from admission to discharge, weekly until day 45, then with every marrow and visit."""
    rows = []
    values = _Values(course)
    for day in _sample_days(course):
        taken = _morning(course, day)
        rows += [_row(taken, test, value) for test, value in values.on(day)]
    if course.infusion_has_time:
        evening = datetime.combine(course.patient.infusion_date, time(20, 15))
        rows += [_row(evening, test, value) for test, value in values.evening_after_infusion()]
    for day in (-3, 7):
        taken = datetime.combine(course.patient.on(day), time(14, 5))
        rows += [_row(taken, test, value, "csf") for test, value in values.cerebrospinal_fluid(day)]
    return rows


def _sample_days(course: Course) -> list[int]:
    patient = course.patient
    days = {-26, -14, *range(course.admission, course.discharge + 1), *range(course.discharge, 46, 7)}
    days |= set(course.marrow_days) | set(course.visit_days)
    if patient.hsct_day is not None:
        days |= set(range(patient.hsct_day - 7, patient.hsct_day + 29, 2))
    return sorted(day for day in days if day <= course.last_sample_day)


def _morning(course: Course, day: int) -> datetime:
    # Even minutes on even days: two neighbouring days stay apart even when a resampled chart lays them on one date.
    minute = 2 * course.chance(f"morning {day}").randint(0, 29) + day % 2
    return datetime.combine(course.patient.on(day), time(6, minute))


def _row(taken: datetime, test: Test, value: float, specimen: str = "blood") -> Row:
    return {
        "collected_at": taken.isoformat(timespec="minutes"),
        "specimen": specimen,
        "loinc": test.loinc,
        "test_name": test.name,
        "value": f"{value:.{test.decimals}f}",
        "unit": test.unit,
    }


class _Values:
    """The values of one patient on a day; each test has a source of chance of its own."""

    def __init__(self, course: Course) -> None:
        self.course = course
        patient = course.patient
        start = course.chance("baseline counts")
        leukocytes = patient.number("wbc_1e9_l")
        self.baseline = {
            LEUKOCYTES: leukocytes,
            NEUTROPHILS: min(0.6 * leukocytes, start.uniform(1.8, 4.5)),
            PLATELETS: start.uniform(85, 190),
            HAEMOGLOBIN: start.uniform(104, 125),
        }
        self.nadir_day = course.chance("nadir").randint(5, 9)
        grade = patient.hematologic_grade
        # Leukocytes or neutrophils carry the grade; platelets and haemoglobin may be one grade better.
        better = max(1, grade - start.randint(0, 1))
        self.grades = {LEUKOCYTES: grade, NEUTROPHILS: grade, PLATELETS: better, HAEMOGLOBIN: better}

    def on(self, day: int) -> Iterator[tuple[Test, float]]:
        """Everything measured on the morning of a study day."""
        yield from self._counts(day)
        yield from self._blood_blasts(day)
        in_stay = self.course.admission <= day <= self.course.discharge
        if not in_stay or day % 2 == 0:
            yield from self._chemistry(day)
        if day in {0, 3, 7, 14} or self._in_crs(day):
            yield from self._crs_markers(day)
        if day in {1, 4, 7, 10, 14, 21, 28} or (day > 28 and day in self.course.marrow_days):
            yield VECTOR_COPIES, 90000 * 2.718 ** (-abs(day - 10) / 9) * self._noise("copies", day, 0.4)

    def evening_after_infusion(self) -> Iterator[tuple[Test, float]]:
        """The count after the cells have run in: the same day, but no baseline."""
        for test in _COUNTS:
            floor = _FLOORS[test][self.grades[test]]
            yield test, max(floor, self.baseline[test] * self._noise(test.name, 1000, 0.05) * 0.9)
        yield POTASSIUM, 4.1 * self._noise("potassium", 1000, 0.05)

    def cerebrospinal_fluid(self, day: int) -> Iterator[tuple[Test, float]]:
        """Cells and protein of a lumbar puncture."""
        diseased = self.course.patient.flag("cnsl") and not self.course.in_remission(day)
        yield CSF_LEUKOCYTES, (38 if diseased else 2) * self._noise("csf cells", day, 0.5)
        yield CSF_PROTEIN, (0.9 if diseased else 0.3) * self._noise("csf protein", day, 0.2)

    def _noise(self, topic: str, day: int, width: float) -> float:
        return 1 + width * (2 * self.course.chance(f"lab {topic} {day}").random() - 1)

    def _in_crs(self, day: int) -> bool:
        return self.course.patient.crs_grade > 0 and self.course.crs_start <= day <= self.course.crs_end

    def _counts(self, day: int) -> Iterator[tuple[Test, float]]:
        leukocytes = self._count(LEUKOCYTES, day)
        yield LEUKOCYTES, leukocytes
        neutrophils = self._count(NEUTROPHILS, day)
        yield NEUTROPHILS, min(neutrophils, 0.85 * leukocytes)
        for test in (PLATELETS, HAEMOGLOBIN):
            yield test, self._count(test, day)

    def _count(self, test: Test, day: int) -> float:
        if day == 0:
            return self.baseline[test]
        noise = self._noise(test.name, day, 0.06)
        if day < 0:
            daily_fall = 0.03 if test is LEUKOCYTES else 0.002
            return min(_HIGHEST_COUNT, self.baseline[test] * (1 - daily_fall * day) * noise)
        if day > _LAST_GRADED_DAY:
            return self._late_count(test, day) * noise
        nadir = _NADIRS[test][self.grades[test]]
        if day == self.nadir_day:
            return nadir
        return max(_FLOORS[test][self.grades[test]], self._early_count(test, day, nadir) * noise)

    def _early_count(self, test: Test, day: int, nadir: float) -> float:
        """Geometric way down to the nadir, three flat days, geometric way up to recovery at day 40."""
        if day < self.nadir_day:
            share = day / self.nadir_day
            return float(self.baseline[test] ** (1 - share) * nadir**share)
        share = max(0, day - self.nadir_day - 3) / (37 - self.nadir_day)
        return float(nadir ** (1 - share) * _RECOVERED[test] ** share)

    def _late_count(self, test: Test, day: int) -> float:
        patient = self.course.patient
        if self.course.relapsed(day) or patient.cr_day is None:
            return _RELAPSE[test]
        if patient.hsct_day is not None and patient.hsct_day + 2 <= day:
            share = min(1.0, max(0, day - patient.hsct_day - 12) / 20)
            return float(_TRANSPLANT_NADIR[test] ** (1 - share) * _RECOVERED[test] ** share)
        return _RECOVERED[test]

    def _blood_blasts(self, day: int) -> Iterator[tuple[Test, float]]:
        """Differential count on the days when it decides, and every third day of the stay."""
        wanted = {0, -7, *self.course.marrow_days, *self.course.visit_days}
        if day not in wanted and not (self.course.admission <= day <= self.course.discharge and day % 3 == 0):
            return
        chance = self.course.chance(f"blood blasts {day}")
        if self.course.in_remission(day) or (self.course.relapsed(day) and "blood" not in self.course.relapse_site):
            share = 0
        elif day <= 0:
            share = chance.randint(1, 60) if self.baseline[LEUKOCYTES] > 30 else 0
        elif self.course.residual_sign == "blood" or self.course.relapsed(day) or self.course.patient.cr_day is None:
            share = chance.randint(2, 25)
        else:
            share = 0
        yield BLOOD_BLASTS, float(share)

    def _chemistry(self, day: int) -> Iterator[tuple[Test, float]]:
        hepatic = self.course.patient.hepatic_grade if self._in_crs(day) else None
        transaminase = {None: 24, 1: 78, 2: 165, 3: 380}[hepatic]
        bilirubin = {None: 11, 1: 14, 2: 38, 3: 88}[hepatic]
        yield ALT, transaminase * self._noise("alt", day, 0.25)
        yield AST, transaminase * self._noise("ast", day, 0.25)
        yield BILIRUBIN, bilirubin * self._noise("bilirubin", day, 0.2)
        yield CREATININE, 52 * self._noise("creatinine", day, 0.2)
        yield POTASSIUM, 4.1 * self._noise("potassium", day, 0.1)
        yield LDH, (320 if 0 < day < 12 else 190) * self._noise("ldh", day, 0.2)

    def _crs_markers(self, day: int) -> Iterator[tuple[Test, float]]:
        patient = self.course.patient
        severity = patient.crs_grade if self._in_crs(day) else 0
        yield CRP, (6 + 38 * severity) * self._noise("crp", day, 0.3)
        yield FERRITIN, 350 * 2.2**severity * self._noise("ferritin", day, 0.3)
        yield IL6, 8 * 4.5**severity * self._noise("il6", day, 0.4)
        yield INTERFERON, 5 * 3.0**severity * self._noise("interferon", day, 0.4)
        if patient.heart_grade is not None and severity:
            yield TROPONIN, (0.3 if patient.heart_grade == 1 else 6.0) * self._noise("troponin", day, 0.3)
