"""The synthetic reference cohort: 39 invented patients whose joint figures reproduce the published ones.

No line of it belongs to a person. Reads `reference_cohort.csv`; what the columns mean in raw rows is decided elsewhere.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

REFERENCE_COHORT = Path(__file__).with_name("reference_cohort.csv")
_ROMAN_GRADES = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5}
_HEPATIC_CLASS_GRADES = {"A": 1, "B": 2, "C": 3}


@dataclass(frozen=True)
class CohortPatient:
    """One row of the cohort file; days count from the first CAR-T infusion (day 0)."""

    record: dict[str, str]

    @property
    def patient_id(self) -> str:
        """The invented hospital id, such as `SYN-001`."""
        return self.record["patient_id"]

    def text(self, column: str) -> str:
        """The column as it stands; empty when missing."""
        return self.record[column]

    def flag(self, column: str) -> bool:
        """True for 1; a missing value is False."""
        return self.record[column] == "1"

    def whole(self, column: str) -> int | None:
        """The column as a whole number, None when empty."""
        return int(self.record[column]) if self.record[column] else None

    def number(self, column: str) -> float:
        """The column as a number; the caller knows that it is filled."""
        return float(self.record[column])

    @cached_property
    def infusion_date(self) -> date:
        """Time zero."""
        return date.fromisoformat(self.record["infusion_date"])

    def on(self, day: int) -> date:
        """The calendar date of a study day."""
        return self.infusion_date + timedelta(days=day)

    @property
    def cr_day(self) -> int | None:
        """Study day of the first complete remission."""
        return self.whole("cr_day")

    @property
    def mrd_negative_day(self) -> int | None:
        """Study day of the first negative MRD result."""
        return self.whole("mrd_negative_day")

    @property
    def hsct_day(self) -> int | None:
        """Study day of the bridging transplantation."""
        return self.whole("hsct_day")

    @property
    def relapse_day(self) -> int | None:
        """Study day of the relapse."""
        return self.whole("relapse_day")

    @property
    def failure_day(self) -> int | None:
        """Study day on which treatment failure was assessed."""
        return self.whole("treatment_failure_day")

    @property
    def death_day(self) -> int | None:
        """Study day of death."""
        return self.whole("death_day")

    @property
    def last_day(self) -> int:
        """Study day of the last contact: death, or the last visit."""
        return int(self.record["followup_days"])

    @property
    def crs_grade(self) -> int:
        """Worst grade of cytokine release syndrome, 0 = none."""
        return int(self.record["crs_grade"])

    @property
    def hematologic_grade(self) -> int:
        """Worst CTCAE grade of the blood counts on days 1 to 30."""
        return int(self.record["hematologic_toxicity_grade"])

    @property
    def hepatic_grade(self) -> int | None:
        """Hepatic injury in CRS: class A, B, C as grade 1, 2, 3."""
        return _HEPATIC_CLASS_GRADES.get(self.record["crs_hepatic_injury_class"])

    @property
    def heart_grade(self) -> int | None:
        """Heart injury in CRS."""
        return _ROMAN_GRADES.get(self.record["crs_heart_injury_grade"])

    @property
    def gvhd_grade(self) -> int | None:
        """Graft-versus-host disease after transplantation (NIH)."""
        return _ROMAN_GRADES.get(self.record["hsct_gvhd_grade"])

    @property
    def mutations(self) -> frozenset[str]:
        """Genes found mutated."""
        named = {gene.upper() for gene in ("sh2b3", "pax5") if self.flag(gene)}
        return frozenset(named | set(filter(None, self.record["other_mutations"].split(";"))))


def read_cohort(path: Path = REFERENCE_COHORT) -> list[CohortPatient]:
    """The cohort in file order."""
    with path.open(encoding="utf-8", newline="") as lines:
        return [CohortPatient(record) for record in csv.DictReader(lines)]
