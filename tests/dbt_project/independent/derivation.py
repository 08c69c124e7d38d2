"""The clinical rules once more, in plain Python and one patient at a time, written from the study contract and
docs/endpoints.md alone: a second opinion on every figure that the SQL derives. It shares no code with the models.

Rows are those of the lake: text under the contract's column names. Only the rule set ``paper``, CTCAE 5 and canonical
units (and degrees Fahrenheit) are known here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

Row = Mapping[str, str | None]
Rows = Mapping[str, Sequence[Row]]
Verdicts = dict[str, object]

CR_BELOW, RELAPSE_ABOVE, MRD_BELOW = 5.0, 5.0, 0.01
WINDOW, NEAR, FAILURE_DAY, BRIDGE_UNTIL, TOXICITY_UNTIL, BASELINE_WINDOW = 90, 7, 28, 62, 30, 30
FEVER_UNTIL, EPISODE = 30, 14
BLASTS, NEUTROPHILS = "26446-6", "751-8"
# CTCAE 5: (test, sex) -> the bounds of grades 1 to 4, as absolute figures.
ALT_ULN, AST_ULN, BILIRUBIN_ULN = {"F": 40, "M": 50}, {"F": 35, "M": 40}, {"F": 21, "M": 26}
NEUTROPHIL_BOUNDS = (1.8, 1.5, 1.0, 0.5)
HIGH_DOSE = {
    ("norepinephrine", "ug/min"): 20,
    ("norepinephrine", "ug/kg/min"): 0.3,
    ("dopamine", "ug/kg/min"): 10,
    ("epinephrine", "ug/min"): 10,
    ("phenylephrine", "ug/min"): 200,
}
PRESSORS = {"noradrenaline": "norepinephrine", "adrenaline": "epinephrine"} | {
    name: name for name in ("norepinephrine", "epinephrine", "dopamine", "vasopressin", "phenylephrine")
}
POSITIVE_PRESSURE = {"mechanical_ventilation", "intubation", "noninvasive_ventilation", "cpap", "bipap"}
HIGH_FLOW = {"high_flow_oxygen", "face_mask_oxygen", "non_rebreather_mask"}
DATED_BY = {
    "diagnoses": "diagnosed_on",
    "prior_therapies": "started_on",
    "lab_results": "collected_at",
    "vital_signs": "measured_at",
    "marrow_assessments": "sampled_on",
    "mrd_results": "sampled_on",
    "extramedullary_assessments": "assessed_on",
    "molecular_findings": "sampled_on",
    "medications": "started_at",
    "cart_infusions": "infused_at",
    "adverse_events": "started_on",
    "encounters": "admitted_at",
    "procedures": "performed_on",
    "follow_ups": "visited_on",
}
LASTS_UNTIL = {"medications": "ended_at", "adverse_events": "ended_on", "encounters": "discharged_at"}
ONE_GENE = {"WT1"}


@dataclass(frozen=True)
class Measured:
    """A figure that may carry < or >."""

    value: float
    sign: str = ""

    def surely_below(self, bound: float) -> bool:
        """Whether every value that the text allows lies below the bound."""
        if self.sign == ">":
            return False
        return self.value <= bound if self.sign == "<" else self.value < bound

    def surely_above(self, bound: float) -> bool:
        """Whether every value that the text allows lies above the bound."""
        if self.sign == "<":
            return False
        return self.value >= bound if self.sign == ">" else self.value > bound

    def surely_up_to(self, bound: float) -> bool:
        """Whether every value that the text allows lies at or below the bound."""
        return self.sign != ">" and self.value <= bound


class Chart:
    """One patient's rows up to the cut-off, with dates and figures read."""

    def __init__(self, rows: Rows, cutoff: dt.date) -> None:
        self.cutoff = cutoff
        self._all = rows
        self.sex = rows["patients"][0].get("sex")
        born = rows["patients"][0].get("birth_date")
        self.born = dt.date.fromisoformat(born) if born else None
        firsts = [
            self.date(row, "infused_at")
            for row in self.rows("cart_infusions")
            if (row.get("course") or "1", row.get("fraction") or "1") == ("1", "1")
        ]
        self.infused_on = min(day for day in firsts if day is not None)

    def read_date(self, text: str | None) -> dt.date | None:
        """Year and month: the 15th; year alone: 1 July; never after the cut-off unless all of it is."""
        if not text:
            return None
        if len(text) > 7:
            return dt.date.fromisoformat(text[:10])
        first, middle = ("-01", "-15") if len(text) == 7 else ("-01-01", "-07-01")
        imputed = dt.date.fromisoformat(text + middle)
        return imputed if dt.date.fromisoformat(text + first) > self.cutoff else min(imputed, self.cutoff)

    def latest(self, text: str) -> dt.date:
        """The last day that a year or month can mean, up to the cut-off where it began before."""
        year, month = int(text[:4]), int(text[5:7]) if len(text) == 7 else 12
        last = dt.date(year + month // 12, month % 12 + 1, 1) - dt.timedelta(days=1)
        read = self.read_date(text)
        assert read is not None
        return max(read, min(last, self.cutoff))

    def date(self, row: Row, column: str) -> dt.date | None:
        """The date of a column."""
        return self.read_date(row.get(column))

    def day(self, date: dt.date) -> int:
        """The study day."""
        return (date - self.infused_on).days

    def rows(self, feed: str, *, late: bool = False) -> list[Row]:
        """The feed's rows up to the cut-off, or (``late``) those after it."""
        column = DATED_BY[feed]
        return [
            row
            for row in self._all[feed]
            if ((when := self.read_date(row.get(column))) is not None and when > self.cutoff) == late
        ]

    def dated(self, feed: str) -> Iterator[tuple[int, Row]]:
        """Rows with the study day that dates them."""
        for row in self.rows(feed):
            when = self.date(row, DATED_BY[feed])
            if when is not None:
                yield self.day(when), row


def read_measured(text: str | None) -> Measured | None:
    """A figure, with the sign before it."""
    if not text:
        return None
    sign = text[0] if text[0] in "<>" else ""
    return Measured(float(text.removeprefix(sign)), sign)


def nearest(candidates: Iterable[tuple[int, float]], day: int) -> float | None:
    """Of (day, badness) the badness of the one nearest within seven days; of equally near ones the worst."""
    near = [(abs(when - day), -badness) for when, badness in candidates if abs(when - day) <= NEAR]
    return -min(near)[1] if near else None


def derive(rows: Rows, cutoff: dt.date) -> Verdicts:
    """Everything that is compared, for one patient with a dated first infusion."""
    chart = Chart(rows, cutoff)
    response = Response(chart)
    course = Course(chart, response)
    return {
        **response.verdicts(),
        **course.verdicts(),
        "neutrophil grade": neutrophil_grade(chart, course.transplant),
        "Lee grade": lee_grade(chart, course),
        "ICAHT early": icaht_early(chart, course.transplant),
    }


class Response:
    """Assessments, first complete remission, MRD."""

    def __init__(self, chart: Chart) -> None:
        marrow = [
            (day, float(row["blast_percent"])) for day, row in chart.dated("marrow_assessments") if row["blast_percent"]
        ]
        sites: dict[str, list[tuple[int, float]]] = {}
        for day, row in chart.dated("extramedullary_assessments"):
            if row["finding"]:
                sites.setdefault(str(row["site"]), []).append((day, float(row["finding"] == "present")))
        blood = [
            (day, float(value.surely_above(0)))
            for day, row in chart.dated("lab_results")
            if row["loinc"] == BLASTS and row["specimen"] != "csf" and (value := read_measured(row["value"]))
        ]
        self.assessed = sorted(
            {day for day, _ in [*marrow, *(one for site in sites.values() for one in site)] if day >= 1}
        )
        self.signs = sorted(
            [day for day, blasts in marrow if blasts > RELAPSE_ABOVE]
            + [day for day, present in [*blood, *(one for site in sites.values() for one in site)] if present]
        )

        def free(day: int) -> bool:
            in_marrow = nearest(marrow, day)
            elsewhere = [nearest(blood, day), *(nearest(site, day) for site in sites.values())]
            return (in_marrow is None or in_marrow < CR_BELOW) and not any(elsewhere)

        self.free = [day for day in self.assessed if free(day)]
        self.remission = next((day for day in self.free if day <= WINDOW), None)
        negative = [day for day in _mrd_negative_days(chart) if 0 <= day <= WINDOW]
        self.mrd_negative = None if self.remission is None or not negative else max(self.remission, min(negative))

    def verdicts(self) -> Verdicts:
        """As marts.outcomes has them: (achieved, kind) and study day."""
        without = "no_remission" if self.assessed else "not_evaluable"
        mrd = (
            "mrd_negative"
            if self.mrd_negative is not None
            else "mrd_positive"
            if self.remission is not None
            else without
        )
        return {
            "CR": (self.remission is not None, without if self.remission is None else "complete_remission"),
            "CR day": self.remission,
            "MRD_NEGATIVE_CR": (self.mrd_negative is not None, mrd),
            "MRD_NEGATIVE_CR day": self.mrd_negative,
            "MRD_POSITIVE_CR": (self.remission is not None and self.mrd_negative is None, mrd),
        }


def _mrd_negative_days(chart: Chart) -> list[int]:
    results = list(chart.dated("mrd_results"))
    return [day for day, row in results if _is_mrd_negative(row, day, results)]


def _fusion(target: str | None) -> str | None:
    """The fusion under one spelling; None where one gene alone is named."""
    return None if target in ONE_GENE else (target or "").replace("::", "/")


def _is_mrd_negative(row: Row, day: int, results: Sequence[tuple[int, Row]]) -> bool:
    if row["method"] == "qpcr":
        target = _fusion(row["target"])
        return (
            row["result"] == "negative"
            and target is not None
            and any(
                earlier < day
                and other["method"] == "qpcr"
                and _fusion(other["target"]) == target
                and other["result"] == "positive"
                for earlier, other in results
            )
        )
    value = read_measured(row["value_percent"])
    if value is not None and value.surely_below(MRD_BELOW):
        return True
    settled = value is not None and (not value.sign or (value.sign == ">" and value.value >= MRD_BELOW))
    return not settled and row["result"] == "negative"


class Course:
    """Relapse, failure, transplant, death, last contact, and the times that follow from them."""

    def __init__(self, chart: Chart, response: Response) -> None:
        self.chart, self.response = chart, response
        self.transplant = min(
            (day for day, row in chart.dated("procedures") if row["procedure"] == "allo_hsct" and day > 0), default=None
        )
        self.death, self.cause_of_death = self._death()
        self.relapse = self._relapse()
        self.failure = self._failure()
        self.last_contact = self.death if self.death is not None else self._last_seen()

    def _death(self) -> tuple[int | None, str | None]:
        """Reports that state a day before those that don't, then the earliest; the cause is the first one named."""
        reports = []
        for place, row in enumerate(self.chart.rows("follow_ups")):
            stated = self._not_before_infusion(row, "death_on")
            before = stated is not None and stated < self.chart.infused_on
            seen = self._not_before_infusion(row, "visited_on") if row["vital_status"] == "dead" else None
            day = self._valid(seen if stated is None or before else stated)
            if day is not None:
                reports.append((stated is None or before, day, place, row["cause_of_death"]))
        reports.sort(key=lambda report: report[:3])
        return (reports[0][1] if reports else None), next((cause for *_, cause in reports if cause), None)

    def _not_before_infusion(self, row: Row, column: str) -> dt.date | None:
        """A death known by its month or year, that of the infusion, was not before it."""
        date, text = self.chart.date(row, column), row[column] or ""
        of_infusion = len(text) <= 7 and self.chart.infused_on.isoformat().startswith(text)
        return max(date, self.chart.infused_on) if date is not None and of_infusion else date

    def _valid(self, date: dt.date | None) -> int | None:
        """The study day, where it is from the infusion to the cut-off."""
        return None if date is None or not self.chart.infused_on <= date <= self.chart.cutoff else self.chart.day(date)

    def _relapse(self) -> int | None:
        recorded = [days for row in self.chart.rows("follow_ups") if (days := self._recorded_relapse(row)) is not None]
        remission = self.response.remission
        if remission is None:
            return min((first for first, _ in recorded), default=None) if not self.response.assessed else None
        found = [day for day in self.response.signs if day > remission]
        later = [max(first, remission) for first, last in recorded if last >= remission]
        return min(found + later, default=None)

    def _recorded_relapse(self, row: Row) -> tuple[int, int] | None:
        """First and last day that a visit's relapse may mean, both after the infusion.

        They differ where a visit finds the patient in relapse and knows its month or year alone.
        """
        text, visited = row["relapse_on"], self.chart.date(row, "visited_on")
        day = self.chart.date(row, "relapse_on") or (visited if row["disease_status"] == "relapse" else None)
        if day is None or day > self.chart.cutoff:
            return None
        last = day
        if text and len(text) <= 7 and row["disease_status"] == "relapse" and visited is not None:
            last = max(day, min(self.chart.latest(text), visited))
        first, latest = max(self.chart.day(day), 1), self.chart.day(last)
        return (first, latest) if latest >= 1 else None

    def _failure(self) -> int | None:
        assessed = self.response.assessed
        if self.response.remission is not None or not assessed:
            return None
        return min((day for day in assessed if day >= FAILURE_DAY), default=assessed[-1])

    def _last_seen(self) -> int:
        visits = [day for day, _ in self.chart.dated("follow_ups") if day >= 0]
        if visits:
            return max(visits)
        for row in self.chart.rows("follow_ups", late=True):
            died = self.chart.date(row, "death_on")
            if (died is None and row["vital_status"] != "dead") or (died is not None and died > self.chart.cutoff):
                return self.chart.day(self.chart.cutoff)
        return max(
            [
                0,
                *(
                    self._lasts(feed, *row)
                    for feed in DATED_BY
                    if feed != "follow_ups"
                    for row in self.chart.dated(feed)
                ),
            ]
        )

    def _lasts(self, feed: str, day: int, row: Row) -> int:
        """The day of the row's end, where the row has one that is not after the cut-off."""
        end = self.chart.date(row, LASTS_UNTIL[feed]) if feed in LASTS_UNTIL else None
        return day if end is None or end > self.chart.cutoff else max(day, self.chart.day(end))

    def verdicts(self) -> Verdicts:
        """(days, event, kind) of each time-to-event endpoint; None where the patient has no such row."""
        failure, relapse, death = self.failure, self.relapse, self.death
        remission, mrd = self.response.remission, self.response.mrd_negative
        bridged = self.transplant is not None and self.transplant <= BRIDGE_UNTIL
        ends = {
            "failure": (failure, "treatment_failure"),
            "relapse": (relapse, "relapse"),
            "death": (death, "death"),
        }
        after_remission = None if remission is None else self._first(ends, ("relapse", "death"), (), remission)
        return {
            "HSCT_BRIDGE": (bridged, "hsct" if bridged else "not_bridged"),
            "EFS": self._first(ends, ("failure", "relapse", "death")),
            "OS": self._first(ends, ("death",)),
            "RFS": after_remission,
            "DOR": after_remission,
            "RELAPSE": self._first(ends, ("relapse",), ("failure", "death")),
            "NON_RELAPSE_MORTALITY": self._first(ends, ("death",), ("relapse", "failure")),
            "TIME_TO_CR": self._until(remission, "complete_remission"),
            "TIME_TO_MRD_NEGATIVE": self._until(mrd, "mrd_negative"),
            "FOLLOW_UP": (self.last_contact, death is None, "last_contact" if death is None else "death"),
        }

    def _first(
        self,
        ends: Mapping[str, tuple[int | None, str]],
        events: Sequence[str],
        competing: Sequence[str] = (),
        origin: int = 0,
    ) -> tuple[int, bool, str]:
        # Death comes after relapse and failure of its day.
        order = ("relapse", "failure", "death")
        happened = [
            (max(ends[name][0], origin), order.index(name), name)  # type: ignore[type-var]
            for name in (*events, *competing)
            if ends[name][0] is not None
        ]
        if not happened:
            return max(self.last_contact - origin, 0), False, "censored"
        day, _, name = min(happened)
        return day - origin, name in events, ends[name][1]

    def _until(self, reached: int | None, kind: str) -> tuple[int, bool, str]:
        if reached is not None and (self.death is None or reached <= self.death):
            return reached, True, kind
        return self.last_contact, False, "censored"


def lab_values(chart: Chart, loinc: str) -> Iterator[tuple[int, Measured]]:
    """(study day, value) of one test."""
    for day, row in chart.dated("lab_results"):
        value = read_measured(row["value"])
        if row["loinc"] == loinc and value is not None:
            yield day, value


def neutrophil_grade(chart: Chart, transplant: int | None) -> int | None:
    """Worst CTCAE 5 grade of neutrophils on days 1 to 30 and before a transplant; None without a count."""
    values = [
        value
        for day, value in lab_values(chart, NEUTROPHILS)
        if 1 <= day <= TOXICITY_UNTIL and (transplant is None or day < transplant)
    ]
    if not values:
        return None
    return max(sum(value.surely_below(bound) for bound in NEUTROPHIL_BOUNDS) for value in values)


def icaht_early(chart: Chart, transplant: int | None) -> int | None:
    """Early ICAHT: counts of days 0 to 30, each for up to three days or until the next; None without one."""
    lowest: dict[int, Measured] = {}
    for day, value in lab_values(chart, NEUTROPHILS):
        if 0 <= day <= 30 and (transplant is None or day < transplant):
            known = lowest.get(day)
            lowest[day] = value if known is None else min(known, value, key=lambda one: (one.sign == ">", one.value))
    if not lowest:
        return None
    holder = [max((day for day in lowest if day <= one), default=None) for one in range(31)]
    spoken = [lowest[day] for one, day in enumerate(holder) if day is not None and one - day < 3]
    severe = sum(value.surely_up_to(0.5) for value in spoken)
    profound = sum(value.surely_up_to(0.1) for value in spoken)
    never_above = all(value.surely_up_to(0.5) for value in lowest.values())
    if profound >= 14 or (severe >= 14 and never_above):
        return 4
    if severe >= 14 or profound >= 7:
        return 3
    return 2 if severe >= 7 else 1 if severe >= 1 else 0


def lee_grade(chart: Chart, course: Course) -> int:
    """CRS by Lee 2014 from the first fever of days 0 to 30 and the signs of the 14 days after it."""
    temperatures = [(day, _celsius(row)) for day, row in chart.dated("vital_signs") if row["sign"] == "temperature"]
    onset = min((day for day, celsius in temperatures if 0 <= day <= FEVER_UNTIL and celsius >= 38.0), default=None)
    if onset is None:
        return 0
    end = onset + EPISODE
    signs: list[int] = [1, _bedside(chart, onset, end), _pressors(chart, onset, end), *_organs(chart, onset, end)]
    for day, row in chart.dated("procedures"):
        if onset <= day <= end:
            signs.append(4 if row["procedure"] in POSITIVE_PRESSURE else 3 if row["procedure"] in HIGH_FLOW else 0)
    cause = (course.cause_of_death or "").lower()
    return 5 if "crs" in cause or "cytokine release syndrome" in cause else max(signs)


def _celsius(row: Row) -> float:
    value = float(str(row["value"]))
    return (value - 32) / 1.8 if str(row["unit"]).lower() == "[degf]" else value


def _bedside(chart: Chart, onset: int, end: int) -> int:
    worst = 0
    for day, row in chart.dated("vital_signs"):
        if onset <= day <= end:
            value = float(str(row["value"]))
            if row["sign"] == "systolic_bp" and value < _hypotension_below(chart, day):
                worst = max(worst, 2)
            if row["sign"] == "oxygen_flow" and value > 0:
                worst = max(worst, 3 if 20 + 4 * value >= 40 else 2)
    return worst


def _hypotension_below(chart: Chart, day: int) -> float:
    if chart.born is None:
        return 90
    on = chart.infused_on + dt.timedelta(days=day)
    years = on.year - chart.born.year - ((on.month, on.day) < (chart.born.month, chart.born.day))
    return 90 if years >= 10 else 70 + 2 * years


def _pressors(chart: Chart, onset: int, end: int) -> int:
    by_day: dict[int, set[str]] = {}
    high = False
    for first, row in chart.dated("medications"):
        drug = PRESSORS.get(str(row["drug"]))
        last_on = chart.date(row, "ended_at")
        last = first if last_on is None else chart.day(last_on)
        if drug is None or first > end or last < onset:
            continue
        for day in range(max(first, onset), min(last, end) + 1):
            by_day.setdefault(day, set()).add(drug)
        bound = HIGH_DOSE.get((drug, str(row["dose_unit"])))
        high = high or (bound is not None and row["dose"] is not None and float(row["dose"]) >= bound)
    if not by_day:
        return 0
    return 3 if high or any(len(drugs) >= 2 for drugs in by_day.values()) else 2


def _organs(chart: Chart, onset: int, end: int) -> Iterator[int]:
    for loinc, limits, bounds, last_grade in (
        ("1742-6", ALT_ULN, (1, 3, 5, 20), 3),
        ("1920-8", AST_ULN, (1, 3, 5, 20), 3),
        ("1975-2", BILIRUBIN_ULN, (1, 1.5, 3, 10), 4),
    ):
        limit = limits.get(str(chart.sex), max(limits.values()))

        def worst(
            keep: Callable[[int], bool], loinc: str = loinc, limit: int = limit, bounds: Sequence[float] = bounds
        ) -> int:
            grades = [
                sum(value.surely_above(bound * limit) for bound in bounds)
                for day, value in lab_values(chart, loinc)
                if keep(day)
            ]
            return max(grades, default=0)

        during = worst(lambda day: onset <= day <= end)
        before = worst(lambda day: -BASELINE_WINDOW <= day <= 0)
        if during > before and during >= 2:
            yield min(during, last_grade)
