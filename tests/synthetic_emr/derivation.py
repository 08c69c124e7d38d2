"""A second, small derivation of the cohort from the raw rows, written with pandas and without the project's own models.

It follows the definitions of the study (paper rule set); it knows nothing of how the writer made the rows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import pandas as pd

from synthetic_emr.contract import KEYS

WINDOW = 90
FAILURE_FROM = 28
NEAR = 7
BASELINE_WINDOW = 30
CTCAE_LIMITS = {
    "6690-2": [4.0, 3.0, 2.0, 1.0],
    "751-8": [2.0, 1.5, 1.0, 0.5],
    "777-3": [100, 75, 50, 25],
    "718-7": [120, 100, 80],
}
SYMPTOMS = {
    "fever": "crs_fever",
    "hypotension": "crs_hypotension",
    "hypoxemia": "crs_hypoxemia",
    "capillary leak syndrome": "crs_capillary_leak",
    "hepatic injury": "crs_hepatic_injury",
    "heart injury": "crs_heart_injury",
}
HSCT_EVENTS = {
    "GVHD": "hsct_gvhd",
    "erythra": "hsct_erythra",
    "gastrointestinal reactions": "hsct_gastrointestinal",
    "hepatic injury": "hsct_hepatic_injury",
    "hemorrhagic cystitis": "hsct_hemorrhagic_cystitis",
    "hepatic veno-occlusive disease": "hsct_hepatic_vod",
    "infection": "hsct_infection",
}
GLUCOCORTICOIDS = {"methylprednisolone", "dexamethasone", "prednisone", "hydrocortisone"}


def read_feeds(folder: Path) -> dict[str, pd.DataFrame]:
    """Every CSV feed of an extract, as text."""
    return {path.stem: pd.read_csv(path, dtype=str, keep_default_na=False) for path in folder.glob("*.csv")}


def usable(feed: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows whose key is filled."""
    return frame[(frame[list(KEYS[feed])] != "").all(axis=1)]


@dataclass(frozen=True)
class Chart:
    """The rows of one patient in all feeds, with study days."""

    feeds: dict[str, pd.DataFrame]

    def rows(self, feed: str, **equal: str) -> pd.DataFrame:
        """The patient's rows of a feed whose columns have the given values."""
        frame = self.feeds[feed]
        for column, value in equal.items():
            frame = frame[frame[column] == value]
        return frame

    @cached_property
    def infused_at(self) -> str:
        first = self.rows("cart_infusions", course="1", fraction="1")
        assert len(first) == 1
        return str(first["infused_at"].iloc[0])

    @cached_property
    def day_zero(self) -> date:
        return date.fromisoformat(self.infused_at[:10])

    def day(self, text: str) -> int:
        return (date.fromisoformat(text[:10]) - self.day_zero).days

    # Baseline

    def baseline(self) -> dict[str, object]:
        person = self.rows("patients").iloc[0]
        born = date.fromisoformat(person["birth_date"])
        zero = self.day_zero
        age = zero.year - born.year - ((zero.month, zero.day) < (born.month, born.day))
        infusion = self.rows("cart_infusions", course="1", fraction="1").iloc[0]
        depletion = self.rows("medications", purpose="lymphodepletion")
        drugs = {row.drug for row in depletion.itertuples() if self.day(row.started_at) <= 0}
        positive = self.rows("molecular_findings", result="positive")
        mutations = set(positive[positive["kind"] == "mutation"]["gene"])
        return {
            "sex": {"F": "female", "M": "male"}[person["sex"]],
            "age_years": age,
            "n_prev_chemo": sum(self.day(start) < 0 for start in self.rows("prior_therapies")["started_on"]),
            "refractory": int(self.refractory()),
            "relapsed": int(self.relapsed_before()),
            "bm_blasts_pct": self.baseline_marrow(),
            "extramedullary": int(bool(self.baseline_sites())),
            "cnsl": int("cns" in self.baseline_sites()),
            "fusion_gene": ";".join(positive[positive["kind"] == "fusion"]["gene"]),
            "sh2b3": int("SH2B3" in mutations),
            "pax5": int("PAX5" in mutations),
            "other_mutations": mutations - {"SH2B3", "PAX5"},
            "wbc_1e9_l": self.baseline_leukocytes(),
            "lymphodepletion": "Flu+Cy" if {"fludarabine", "cyclophosphamide"} <= drugs else "non-Flu+Cy",
            "cart_product": "anti-" + infusion["target"],
            "infusion_date": zero.isoformat(),
        }

    def refractory(self) -> bool:
        lines = self.rows("prior_therapies")
        if ((lines["phase"] == "induction") & (lines["outcome"] == "no_remission")).any():
            return True
        if (lines["outcome"] == "mrd_persistent").any():
            return True
        run: list[int] = []
        for sampled_on, result in sorted(
            zip(self.rows("mrd_results")["sampled_on"], self.rows("mrd_results")["result"], strict=True)
        ):
            if self.day(sampled_on) > 0:
                continue
            run = [*run, self.day(sampled_on)] if result == "positive" else []
            if run and run[-1] - run[0] >= 90:
                return True
        return False

    def relapsed_before(self) -> bool:
        lines = self.rows("prior_therapies")
        if (lines["outcome"] == "relapse").any():
            return True
        remissions = lines[lines["outcome"] == "complete_remission"]["ended_on"]
        if remissions.empty:
            return False
        since = min(self.day(end) for end in remissions)
        marrow = any(since <= day <= 0 and value > 5 for day, value in self.marrow.items())
        blood = any(since <= day <= 0 and value > 0 for day, value in self.blood_blasts.items())
        sites = any(
            since <= self.day(row.assessed_on) <= 0
            for row in self.rows("extramedullary_assessments", finding="present").itertuples()
        )
        return marrow or blood or sites

    def baseline_marrow(self) -> float:
        days = {day: value for day, value in self.marrow.items() if -BASELINE_WINDOW <= day <= 0}
        return days[max(days)]

    def baseline_sites(self) -> set[str]:
        rows = self.rows("extramedullary_assessments").sort_values("assessed_on")
        latest = rows[[self.day(on) <= 0 for on in rows["assessed_on"]]].groupby("site").tail(1)
        return set(latest[latest["finding"] == "present"]["site"])

    def baseline_leukocytes(self) -> float:
        best = ("", 0.0)
        for row in self.labs("6690-2").itertuples():
            late = "T" in self.infused_at and "T" in row.collected_at and row.collected_at > self.infused_at
            if -BASELINE_WINDOW <= row.day <= 0 and not late and row.collected_at > best[0]:
                best = (row.collected_at, row.number)
        return best[1]

    # Labs

    def labs(self, loinc: str) -> pd.DataFrame:
        frame = self.rows("lab_results", loinc=loinc, specimen="blood").copy()
        frame["day"] = [self.day(text) for text in frame["collected_at"]]
        frame["number"] = pd.to_numeric(frame["value"], errors="coerce")
        frame.loc[frame["unit"] == "g/dL", "number"] *= 10
        return frame[frame["number"].notna()]

    @cached_property
    def blood_blasts(self) -> dict[int, float]:
        frame = self.labs("26446-6")
        return dict(frame.groupby("day")["number"].max())

    def hematologic_grade(self) -> int:
        hsct = self.hsct_day()
        last = 30 if hsct is None else min(30, hsct - 1)
        worst = 0
        for loinc, limits in CTCAE_LIMITS.items():
            for row in self.labs(loinc).itertuples():
                if 1 <= row.day <= last:
                    worst = max(worst, sum(row.number < limit for limit in limits))
        return worst

    # Response

    @cached_property
    def marrow(self) -> dict[int, float]:
        samples = self.rows("marrow_assessments")
        return {self.day(row.sampled_on): float(row.blast_percent) for row in samples.itertuples()}

    @cached_property
    def assessment_days(self) -> list[int]:
        looked = list(self.rows("marrow_assessments")["sampled_on"]) + list(
            self.rows("extramedullary_assessments")["assessed_on"]
        )
        return sorted({self.day(on) for on in looked if self.day(on) >= 1})

    @cached_property
    def extramedullary_days(self) -> dict[int, float]:
        found: dict[int, float] = {}
        for row in self.rows("extramedullary_assessments").itertuples():
            day = self.day(row.assessed_on)
            found[day] = max(found.get(day, 0.0), float(row.finding == "present"))
        return found

    def complete_remission_on(self, day: int) -> bool:
        marrow, blood, sites = (
            nearest(days, day) for days in (self.marrow, self.blood_blasts, self.extramedullary_days)
        )
        return not ((marrow is not None and marrow >= 5) or (blood is not None and blood > 0) or bool(sites))

    @cached_property
    def remission_days(self) -> list[int]:
        return [day for day in self.assessment_days if self.complete_remission_on(day)]

    def cr_day(self) -> int | None:
        return next((day for day in self.remission_days if day <= WINDOW), None)

    def mrd_negative_day(self) -> int | None:
        negative = []
        turned: set[str] = set()
        for row in self.rows("mrd_results").sort_values("sampled_on").itertuples():
            day = self.day(row.sampled_on)
            if row.method == "flow":
                clear = float(row.value_percent) < 0.01 if row.value_percent else row.result == "negative"
            else:
                clear = row.result == "negative" and row.target in turned
                turned |= {row.target} if row.result == "positive" else set()
            if clear and 0 <= day <= WINDOW:
                negative.append(day)
        cr = self.cr_day()
        return None if cr is None or not negative else max(cr, min(negative))

    def hsct_day(self) -> int | None:
        days = [self.day(on) for on in self.rows("procedures", procedure="allo_hsct")["performed_on"]]
        return min((day for day in days if 0 < day <= 62), default=None)

    def subsequent_therapy(self) -> tuple[str, int | None]:
        hsct = self.hsct_day()
        if hsct is not None:
            return "bridged to HSCT", hsct
        repeats = [self.day(row.infused_at) for row in self.rows("cart_infusions").itertuples() if int(row.course) >= 2]
        if repeats:
            return "repeated CAR-T consolidation", min(repeats)
        for purpose in ("consolidation", "salvage"):
            days = [self.day(at) for at in self.rows("medications", purpose=purpose)["started_at"] if self.day(at) > 0]
            if days:
                return f"{purpose} chemotherapy", min(days)
        return ("no further therapy until relapse" if self.cr_day() is not None else "none (chemoresistance)"), None

    def relapse_day(self) -> int | None:
        cr = self.cr_day()
        if cr is None:
            return None
        days = [day for day, value in self.marrow.items() if day > cr and value > 5]
        days += [day for day, value in self.blood_blasts.items() if day > cr and value > 0]
        days += [day for day, present in self.extramedullary_days.items() if day > cr and present]
        days += [self.day(on) for on in self.rows("follow_ups")["relapse_on"] if on]
        return min(days, default=None)

    def failure_day(self) -> int | None:
        if self.cr_day() is not None or not self.assessment_days:
            return None
        later = [day for day in self.assessment_days if day >= FAILURE_FROM]
        return later[0] if later else self.assessment_days[-1]

    def outcomes(self) -> dict[str, object]:
        visits = self.rows("follow_ups").sort_values("visited_on")
        deaths = visits[visits["death_on"] != ""]
        death = self.day(deaths["death_on"].iloc[0]) if len(deaths) else None
        last = self.day(visits["visited_on"].iloc[-1])
        cr, mrd, therapy = self.cr_day(), self.mrd_negative_day(), self.subsequent_therapy()
        events = {"relapse": self.relapse_day(), "treatment failure": self.failure_day(), "death": death}
        dated = sorted((day, kind) for kind, day in events.items() if day is not None)
        first = dated[0] if dated else (last, "censored")
        return {
            "cr": int(cr is not None),
            "cr_day": cr,
            "mrd_best": "no remission" if cr is None else ("positive" if mrd is None else "negative"),
            "mrd_negative_day": mrd,
            "hsct": int(self.hsct_day() is not None),
            "hsct_day": self.hsct_day(),
            "subsequent_therapy": therapy[0],
            "subsequent_therapy_day": therapy[1],
            "relapse_day": events["relapse"],
            "treatment_failure_day": events["treatment failure"],
            "death_day": death,
            "death_cause": deaths["cause_of_death"].iloc[0] if len(deaths) else "",
            "last_followup_date": visits["visited_on"].iloc[-1],
            "followup_days": last,
            "efs_days": first[0],
            "efs_event": int(bool(dated)),
            "efs_event_type": first[1],
            "os_days": last if death is None else death,
            "os_event": int(death is not None),
        }

    # Safety

    def safety(self) -> dict[str, object]:
        crs = self.rows("adverse_events", term="CRS", phase="cart")
        grade = int(crs["grade"].max()) if len(crs) else 0
        symptoms = self.rows("adverse_events", phase="cart")
        symptoms = symptoms[symptoms["parent_event_id"].isin(set(crs["event_id"]))]
        grades = dict(zip(symptoms["term"], symptoms["grade"].astype(int), strict=True))
        drugs = set(self.rows("medications", purpose="crs_treatment")["drug"])
        icu = [self.day(at) for at in self.rows("encounters", care_unit="icu")["admitted_at"]]
        found: dict[str, object] = {
            "crs": int(grade > 0),
            "crs_grade": grade,
            "crs_severe": int(grade >= 3),
            "crs_hepatic_injury_class": {1: "A", 2: "B", 3: "C"}.get(grades.get("hepatic injury", 0), ""),
            "crs_heart_injury_grade": {1: "I", 4: "IV"}.get(grades.get("heart injury", 0), ""),
            "hematologic_toxicity_grade": self.hematologic_grade(),
            "neurotoxicity": int(len(self.rows("adverse_events", term="neurotoxicity", phase="cart")) > 0),
            "infection": int(len(self.rows("adverse_events", term="infection", phase="cart")) > 0),
            "icu": int(any(0 <= day <= 30 for day in icu)),
            "glucocorticoids": int(bool(drugs & GLUCOCORTICOIDS)),
            "tocilizumab": int("tocilizumab" in drugs),
        }
        return found | {column: int(term in grades) for term, column in SYMPTOMS.items()} | self.transplant_events()

    def transplant_events(self) -> dict[str, object]:
        events = self.rows("adverse_events", phase="hsct")
        if self.hsct_day() is None:
            assert events.empty
            return {column: "" for column in [*HSCT_EVENTS.values(), "hsct_gvhd_grade"]}
        gvhd = events[events["term"] == "GVHD"]["grade"]
        roman = {1: "I", 2: "II", 3: "III", 4: "IV"}
        grade = roman[int(gvhd.iloc[0])] if len(gvhd) else ""
        return {column: int(term in set(events["term"])) for term, column in HSCT_EVENTS.items()} | {
            "hsct_gvhd_grade": grade
        }


def nearest(days: dict[int, float], day: int) -> float | None:
    """The value nearest to a day within a week; of two equally near the worse."""
    near = sorted((abs(other - day), -value) for other, value in days.items() if abs(other - day) <= NEAR)
    return -near[0][1] if near else None


def charts(folder: Path) -> dict[str, Chart]:
    """One chart per patient of an extract folder."""
    feeds = {feed: usable(feed, frame) for feed, frame in read_feeds(folder).items()}
    ids = feeds["patients"]["patient_id"]
    return {key: Chart({feed: frame[frame["patient_id"] == key] for feed, frame in feeds.items()}) for key in ids}


def derive(chart: Chart) -> dict[str, object]:
    """Every derivable column of the cohort for one patient."""
    return chart.baseline() | chart.outcomes() | chart.safety()


def manifest(folder: Path) -> dict[str, object]:
    """The manifest of an extract."""
    return dict(json.loads((folder / "manifest.json").read_text(encoding="utf-8")))
