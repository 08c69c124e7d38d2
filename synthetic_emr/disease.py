"""Rows about the leukaemia itself: diagnosis, earlier treatment lines, marrow, MRD, extramedullary sites, genes."""

from __future__ import annotations

from datetime import date, timedelta

from synthetic_emr import course as traits
from synthetic_emr.cohort import CohortPatient
from synthetic_emr.contract import Row
from synthetic_emr.course import Course, extramedullary_sites

FUSION_PANEL = ("BCR/ABL1", "E2A/PBX1", "EVI1", "MLL/AF4", "TEL/AML1")
MUTATION_PANEL = ("FLT3", "IKZF1", "IL7R", "NOTCH1", "NT5C2", "PAX5", "PTEN", "SH2B3", "TET2", "TP53")
QPCR_FUSIONS = frozenset({"BCR/ABL1", "E2A/PBX1", "MLL/AF4", "TEL/AML1"})
_REGIMENS = {
    "induction": ("VDLP", "VDCP", "hyper-CVAD A"),
    "consolidation": ("HD-MTX + 6-MP", "CAM", "hyper-CVAD B"),
    "maintenance": ("6-MP + MTX",),
    "salvage": ("FLAG-IDA", "MOAD", "CLAG"),
}
# The last line ends this many days before the infusion, so that cells can be collected and made.
_LAST_LINE_ENDS = 32
_LINE_LENGTH = 75


def birth_date(course: Course) -> date:
    """A birthday that gives the age in whole years on the infusion date; the youngest are as old as that allows."""
    patient = course.patient
    years = int(patient.text("age_years"))
    days_since_birthday = course.chance("birth").randint(30, 330) if years > 1 else 345
    anniversary = patient.infusion_date - timedelta(days=days_since_birthday)
    return anniversary.replace(year=anniversary.year - years, day=min(anniversary.day, 28))


def patients(course: Course) -> list[Row]:
    """One row: sex, birth date and identifiers that are plainly fictitious."""
    number = course.patient.patient_id.removeprefix("SYN-")
    return [
        {
            "sex": {"female": "F", "male": "M"}[course.patient.text("sex")],
            "birth_date": birth_date(course).isoformat(),
            "name": f"Synthetic Patient {number}",
            "national_id": f"SYN-ID-{number:0>9}",
            "phone": f"SYN-TEL-{number:0>6}",
            "address": f"{int(number)} Invented Road, Synthetic Town",
        }
    ]


def _line_days(course: Course) -> list[tuple[int, int]]:
    """First and last day of each earlier line, all after birth and ending before cells are collected."""
    lines = int(course.patient.text("n_prev_chemo"))
    lifetime = (course.patient.infusion_date - birth_date(course)).days
    length = min(_LINE_LENGTH, (lifetime - 60 - _LAST_LINE_ENDS) // lines)
    begin = -_LAST_LINE_ENDS - lines * length
    return [(begin + line * length, begin + (line + 1) * length - max(3, length // 5)) for line in range(lines)]


def diagnoses(course: Course) -> list[Row]:
    """CD19+ B-ALL before the first line; a few patients carry a second diagnosis that excludes nobody."""
    patient = course.patient
    chance = course.chance("diagnosis")
    found = _line_days(course)[0][0] - chance.randint(3, 10)
    rows = [
        {
            "diagnosed_on": patient.on(found).isoformat(),
            "code_system": "ICD-10",
            "code": chance.choice(["C91.0", "C91.0", "C91.000"]),
            "description": "B-cell acute lymphoblastic leukaemia",
            "immunophenotype": "CD19+",
            "method": chance.choice(["flow cytometry", "bone marrow histology", "flow cytometry and cytogenetics"]),
        }
    ]
    if chance.random() < 0.25:
        code, description = chance.choice(
            [("D50.9", "Iron deficiency anaemia"), ("B18.1", "Chronic viral hepatitis B")]
        )
        rows.append(
            {
                "diagnosed_on": patient.on(-20).isoformat(),
                "code_system": "ICD-10",
                "code": code,
                "description": description,
                "method": "clinical",
            }
        )
    return rows


def _line_plan(patient: CohortPatient) -> list[tuple[str, str]]:
    """Phase and outcome of each line; only relapsed patients ever have a complete remission in their history."""
    lines = int(patient.text("n_prev_chemo"))
    refractory, relapsed = patient.flag("refractory"), patient.flag("relapsed")
    if not relapsed:
        return [("induction", "no_remission"), *[("salvage", "no_remission")] * (lines - 1)]
    by_mrd = patient.patient_id in traits.MRD_PERSISTENT_LINES | traits.MRD_PERSISTENT_SERIES
    plan = [("induction", "complete_remission")]
    if refractory and not by_mrd:
        plan = [("induction", "no_remission")] + (plan if lines > 2 else [])
    if patient.patient_id in traits.MRD_PERSISTENT_LINES:
        plan.append(("consolidation", "mrd_persistent"))
    middle = [("consolidation", ""), ("maintenance", ""), ("salvage", "complete_remission")]
    while len(plan) < lines - 1:
        plan.append(middle[len(plan) % 3])
    last = "" if patient.patient_id in traits.RELAPSE_SHOWN_BY_MARROW else "relapse"
    if lines == 1:
        return [("induction", last)]
    return [*plan[: lines - 1], ("salvage" if lines > 2 else "consolidation", last)]


def prior_therapies(course: Course) -> list[Row]:
    """One row per earlier chemotherapy."""
    chance = course.chance("lines")
    rows = []
    plan = zip(_line_plan(course.patient), _line_days(course), strict=True)
    for number, ((phase, outcome), (start, end)) in enumerate(plan, start=1):
        rows.append(
            {
                "line": str(number),
                "phase": phase,
                "regimen": chance.choice(_REGIMENS[phase]),
                "started_on": course.patient.on(start).isoformat(),
                "ended_on": course.patient.on(end).isoformat(),
                "outcome": outcome,
            }
        )
    return rows


def marrow_assessments(course: Course) -> list[Row]:
    """Marrow smears: at screening, at the baseline (the latest before infusion), then serially."""
    patient = course.patient
    chance = course.chance("marrow")
    baseline = patient.number("bm_blasts_pct")
    first_line = _line_days(course)[0][0]
    values = {
        first_line - 2: round(chance.uniform(55, 95), 1),
        -24: round(chance.uniform(8, 45), 1),
        -2: baseline,
    }
    for day in course.marrow_days:
        values[day] = _marrow_blasts(course, day, baseline, chance.random())
    return [
        {"sampled_on": patient.on(day).isoformat(), "blast_percent": f"{value:.1f}", "method": "morphology"}
        for day, value in sorted(values.items())
    ]


def _marrow_blasts(course: Course, day: int, baseline: float, share: float) -> float:
    if course.in_remission(day):
        return round(0.2 + 2.3 * share, 1)
    if course.relapsed(day):
        return round(12 + 70 * share, 1) if course.relapse_site.startswith("bone marrow") else round(0.5 + 2 * share, 1)
    if course.residual_sign != "marrow":
        return round(0.4 + 3.2 * share, 1)
    if course.patient.cr_day is None:
        return round(9 + 30 * share, 1)
    return round(max(5.6, baseline * (1 - 0.8 * day / course.patient.cr_day)), 1)


def mrd_results(course: Course) -> list[Row]:
    """Flow with every marrow; qPCR of the fusion transcript, where there is one, with every second."""
    patient = course.patient
    chance = course.chance("mrd")
    qpcr_decides = patient.patient_id in traits.QPCR_DECIDES
    rows = _earlier_mrd(course)
    fusion = patient.text("fusion_gene")
    for position, day in enumerate([-2, *course.marrow_days]):
        negative = _mrd_negative(course, day)
        flow_negative = negative and not (qpcr_decides and day == patient.mrd_negative_day)
        rows.append(_flow_row(course, day, flow_negative, chance.random()))
        if fusion in QPCR_FUSIONS and (position % 2 == 0 or day == patient.mrd_negative_day):
            late = day == patient.mrd_negative_day and not qpcr_decides
            rows.append(_qpcr_row(course, day, negative and not late, chance.random()))
    return rows


def _mrd_negative(course: Course, day: int) -> bool:
    cleared = course.patient.mrd_negative_day
    return cleared is not None and day >= cleared and course.in_remission(day)


def _flow_row(course: Course, day: int, negative: bool, share: float) -> Row:
    value = 0.001 + 0.007 * share if negative else 0.01 + 1.5 * share**3
    if course.relapsed(day):
        value = 5 + 60 * share
    without_value = course.patient.patient_id in traits.FLOW_WITHOUT_VALUE and negative
    return {
        "sampled_on": course.patient.on(day).isoformat(),
        "method": "flow",
        "target": "leukaemia-associated immunophenotype",
        "value_percent": "" if without_value else f"{value:.3f}",
        "result": "negative" if negative else "positive",
    }


def _qpcr_row(course: Course, day: int, negative: bool, share: float) -> Row:
    return {
        "sampled_on": course.patient.on(day).isoformat(),
        "method": "qpcr",
        "target": course.patient.text("fusion_gene"),
        "value_percent": "0" if negative else f"{0.05 + 12 * share**2:.3f}",
        "result": "negative" if negative else "positive",
    }


def _earlier_mrd(course: Course) -> list[Row]:
    """MRD before admission: positive for months in some refractory patients, else negative once and positive lately."""
    patient = course.patient
    chance = course.chance("earlier mrd")
    if patient.patient_id in traits.MRD_PERSISTENT_SERIES:
        history = [(-170, False), (-128, False), (-75, False), (-30, False)]
    elif patient.flag("relapsed"):
        history = [(max(-140, _line_days(course)[0][1]), True), (-33, False)]
    else:
        history = [(-45, False)]
    return [_flow_row(course, day, negative, chance.random()) for day, negative in history]


def extramedullary_assessments(course: Course) -> list[Row]:
    """Sites looked at: earlier, before the infusion, with the marrow before remission, now and then afterwards."""
    patient = course.patient
    diseased, quiet = extramedullary_sites(patient)
    looks = {(-3, site): True for site in diseased} | {(-3, site): False for site in quiet}
    if patient.patient_id in traits.CLEARED_EXTRAMEDULLARY:
        looks |= {(-150, "cns"): True, (-60, "cns"): False}
    for position, day in enumerate(course.marrow_days):
        if course.relapsed(day):
            looks |= {(day, site): site == course.relapse_site for site in diseased or quiet}
        elif not course.in_remission(day):
            resists = course.residual_sign == "extramedullary" or patient.cr_day is None
            looks |= {(day, site): resists for site in diseased}
        elif day == patient.cr_day or position % 4 == 0:
            looks |= {(day, site): False for site in diseased or quiet}
    return [
        {
            "assessed_on": patient.on(day).isoformat(),
            "site": site,
            "method": {"cns": "cerebrospinal fluid cytology", "testis": "ultrasound"}.get(site, "physical examination"),
            "finding": "present" if present else "absent",
        }
        for (day, site), present in sorted(looks.items())
    ]


def molecular_findings(course: Course) -> list[Row]:
    """The whole fusion and mutation panel, found or not."""
    patient = course.patient
    panels = [("fusion", gene, gene == patient.text("fusion_gene")) for gene in FUSION_PANEL]
    panels += [("mutation", gene, gene in patient.mutations) for gene in MUTATION_PANEL]
    sampled = patient.on(_line_days(course)[0][0] - 2).isoformat()
    return [
        {"sampled_on": sampled, "kind": kind, "gene": gene, "result": "positive" if found else "negative"}
        for kind, gene, found in panels
    ]
