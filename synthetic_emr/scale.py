"""Extracts of any size: the cohort's patients resampled with new ids, moved dates and stretched follow-up.

DuckDB joins a generated list of patients with the rows of their templates and streams the result into files, a block of
patients at a time, so memory does not grow with the number of patients. Python touches the 39 templates only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from synthetic_emr.contract import FEEDS, Row
from synthetic_emr.course import Course, stream
from synthetic_emr.files import SyntheticExtractError, WrittenFile, describe, write_manifest
from synthetic_emr.labs import BLOOD_BLASTS, HAEMOGLOBIN, LEUKOCYTES, NEUTROPHILS, PLATELETS
from synthetic_emr.reference import BUILDERS, REFERENCE_DATE, REFERENCE_SEED, courses, reference_folder

PATIENTS_PER_FILE = 100_000
SCALE_FORMATS = ("parquet", "csv")
# Later days are stretched by 0.85 to 1: event times differ between patients of a template, none passes the cut-off.
_STRETCH_AFTER_DAY = 100
_SMALLEST_STRETCH_PER_MILLE = 850
# Infusions move back by up to ten days, which keeps the whole cohort inside the study's period of infusion.
_LARGEST_SHIFT_DAYS = 10
_LABS_OF_A_WHOLE_CHART = 560
# The smallest chart has more than 250 lab rows, and a day has 134 minutes for a repeat of each.
_MOST_LABS = 250 * 134
_ID_LENGTH = len("SYN-001")
_OWN_IDS = {"infusion_id", "event_id", "parent_event_id", "encounter_id"}
_THINNED = {
    "lab_results",
    "vital_signs",
    "medications",
    "marrow_assessments",
    "mrd_results",
    "extramedullary_assessments",
    "encounters",
    "follow_ups",
}
_COUNTS = tuple(test.loinc for test in (LEUKOCYTES, NEUTROPHILS, PLATELETS, HAEMOGLOBIN))
_BLOOD_BLASTS = BLOOD_BLASTS.loinc
_WORST_SIGN = {"temperature": max, "systolic_bp": min, "spo2": min, "oxygen_flow": max}


@dataclass(frozen=True)
class _Template:
    """The rows of one patient that a resampled patient repeats, each with its place in the thinned chart."""

    number: int
    course: Course
    rows: dict[str, list[Row]]


@dataclass(frozen=True)
class _Order:
    """What is to be written where."""

    folder: Path
    patients: int
    patients_per_file: int
    file_format: str
    seed: int


def write_scaled_extract(
    out_dir: Path,
    *,
    patients: int,
    labs_per_patient: int = 100,
    file_format: str = "parquet",
    seed: int = REFERENCE_SEED,
    memory_limit: str = "2GB",
    patients_per_file: int = PATIENTS_PER_FILE,
) -> Path:
    """Write `out_dir/2018-07-30/` with resampled patients; the same arguments give the same rows.

    Baseline, response, relapse and toxicity of a template survive for 100 lab rows or more; other long feeds are
    thinned in the same proportion as the labs, rows that decide an outcome always stay.

    Args:
        out_dir: the folder of extracts, made if it is missing.
        patients: how many patients.
        labs_per_patient: exactly this many lab rows for each.
        file_format: parquet or csv.
        seed: decides which template, shift and stretch a patient gets.
        memory_limit: what DuckDB may use, such as `2GB`.
        patients_per_file: a feed is split into files of this many patients.

    Raises:
        SyntheticExtractError: a format or a number that can't be.
    """
    if file_format not in SCALE_FORMATS:
        raise SyntheticExtractError(f"format {file_format!r} can't be scaled; use one of {', '.join(SCALE_FORMATS)}")
    if min(patients, labs_per_patient, patients_per_file) < 1:
        raise SyntheticExtractError("patients, labs per patient and patients per file must be 1 or more")
    if labs_per_patient > _MOST_LABS:
        raise SyntheticExtractError(f"at most {_MOST_LABS} lab rows per patient: there are no more minutes for repeats")
    folder = reference_folder(out_dir)
    templates = _templates(labs_per_patient, seed)
    order = _Order(folder, patients, patients_per_file, file_format, seed)
    files: list[WrittenFile] = []
    with duckdb.connect() as connection:
        connection.execute("set memory_limit = ?", [memory_limit])
        # Everything streams: spilling to disk would mean that something doesn't.
        connection.execute("set temp_directory = ''")
        connection.register("template_dates", _template_dates(templates))
        for feed in FEEDS:
            connection.register("template_rows", _template_table(feed, templates))
            connection.execute(
                "create or replace temp table template as select template, list(template_rows order by place) as chart "
                "from template_rows group by template"
            )
            files += _write_feed(connection, feed, order)
            connection.unregister("template_rows")
    write_manifest(folder, REFERENCE_DATE, "snapshot", files)
    return folder


def _templates(labs_per_patient: int, seed: int) -> list[_Template]:
    """The 39 charts, thinned."""
    share = min(1.0, labs_per_patient / _LABS_OF_A_WHOLE_CHART)
    templates = []
    for number, course in enumerate(courses(seed=REFERENCE_SEED), start=1):
        rows = {feed: BUILDERS[feed](course) for feed in FEEDS}
        thinned = {feed: _thin(feed, rows[feed], course, share, seed) for feed in FEEDS}
        thinned["lab_results"] = _exactly(rows["lab_results"], labs_per_patient, course, seed)
        templates.append(_Template(number, course, thinned))
    return templates


def _thin(feed: str, rows: list[Row], course: Course, share: float, seed: int) -> list[Row]:
    """Rows that decide something, and a share of the others, in their order."""
    if feed not in _THINNED or feed == "lab_results":
        return rows
    decisive = _decisive_rows(feed, rows, course)
    wanted = max(len(decisive), round(len(rows) * share))
    others = [index for index in range(len(rows)) if index not in decisive]
    stream(seed, course.patient.patient_id, "thin", feed).shuffle(others)
    kept = decisive | set(others[: wanted - len(decisive)])
    return [rows[index] for index in sorted(kept)]


def _exactly(rows: list[Row], wanted: int, course: Course, seed: int) -> list[Row]:
    """This many lab rows: decisive ones first; when the chart has fewer, its rows again, some minutes later."""
    decisive = _decisive_rows("lab_results", rows, course)
    others = [index for index in range(len(rows)) if index not in decisive]
    stream(seed, course.patient.patient_id, "thin", "lab_results").shuffle(others)
    ranked = [*sorted(decisive), *others]
    chosen = []
    for place in range(wanted):
        repeat, index = divmod(place, len(ranked))
        row = rows[ranked[index]]
        if repeat:
            row = row | {"collected_at": _repeat_time(row["collected_at"], repeat)}
        chosen.append(row)
    return sorted(chosen, key=lambda row: (row["collected_at"], row["loinc"]))


def _repeat_time(collected_at: str, repeat: int) -> str:
    """The same day between 11:00 and 19:59, after any infusion, at a minute that no other sample of the chart has.

    The chart's own samples are taken before seven in the morning, and on the infusion day once more in the evening.
    """
    evening = int(collected_at[11:13] > "12")
    odd_minute = int(collected_at[15]) % 2
    minute = 4 * repeat + 2 * odd_minute + evening
    return f"{collected_at[:10]}T{11 + minute // 60:02d}:{minute % 60:02d}"


def _decisive_rows(feed: str, rows: list[Row], course: Course) -> set[int]:
    """Places of the rows without which an outcome or a baseline value would come out differently."""
    if feed == "medications":
        first: dict[tuple[str, str, str], int] = {}
        for index, row in enumerate(rows):
            first.setdefault((row["drug"], row["purpose"], row["dose"]), index)
        return set(first.values())
    if feed == "encounters":
        return {index for index, row in enumerate(rows) if row["care_unit"] != "outpatient"}
    if feed == "follow_ups":
        told = [index for index, row in enumerate(rows) if row["relapse_on"]]
        return {len(rows) - 1, *told[:1]}
    if feed == "vital_signs":
        return _worst_signs(rows)
    return {index for index, row in enumerate(rows) if _decides(feed, row, course)}


def _worst_signs(rows: list[Row]) -> set[int]:
    worst = set()
    for sign, pick in _WORST_SIGN.items():
        places = [index for index, row in enumerate(rows) if row["sign"] == sign]
        if places:
            worst.add(pick(places, key=lambda index: (float(rows[index]["value"]), -index)))
    return worst


def _decides(feed: str, row: Row, course: Course) -> bool:
    patient = course.patient
    day = _study_day(row[_DATE_OF[feed]], course)
    assessed_until = max(patient.cr_day or 0, patient.mrd_negative_day or 0, patient.failure_day or 0)
    if feed != "lab_results":
        return day <= assessed_until or day == patient.relapse_day
    if row["loinc"] == _BLOOD_BLASTS:
        return 0 <= day <= assessed_until or day == patient.relapse_day
    # The nadir is on one of days 5 to 9; day 0 holds the baseline.
    return row["loinc"] in _COUNTS and (day == 0 or 5 <= day <= 9)


_DATE_OF = {
    "lab_results": "collected_at",
    "marrow_assessments": "sampled_on",
    "mrd_results": "sampled_on",
    "extramedullary_assessments": "assessed_on",
}


def _study_day(text: str, course: Course) -> int:
    return (date.fromisoformat(text[:10]) - course.patient.infusion_date).days


def _template_dates(templates: Iterable[_Template]) -> pa.Table:
    dates = [(template.number, template.course.patient.infusion_date) for template in templates]
    return pa.table({"template": [number for number, _ in dates], "infused_on": [day for _, day in dates]})


def _template_table(feed: str, templates: Iterable[_Template]) -> pa.Table:
    """One row per template row: dates as study day and time of day, everything else as text."""
    columns: dict[str, list[str | int | None]] = {"template": [], "place": []}
    plain, dated = _column_kinds(feed)
    columns |= {name: [] for column in dated for name in (f"{column}_day", f"{column}_time")}
    columns |= {column: [] for column in plain}
    for template in templates:
        for place, row in enumerate(template.rows[feed]):
            columns["template"].append(template.number)
            columns["place"].append(place)
            for column in dated:
                text = row.get(column, "")
                columns[f"{column}_day"].append(_study_day(text, template.course) if text else None)
                columns[f"{column}_time"].append(text[10:] if text else None)
            for column in plain:
                text = row.get(column, "")
                columns[column].append((text[_ID_LENGTH:] if column in _OWN_IDS else text) or None)
    types = {
        name: pa.int32() if name in {"template", "place"} or name.endswith("_day") else pa.string() for name in columns
    }
    return pa.table({name: pa.array(values, types[name]) for name, values in columns.items()})


def _column_kinds(feed: str) -> tuple[list[str], list[str]]:
    dated = [column for column in FEEDS[feed] if column.endswith(("_on", "_at", "_date"))]
    return [column for column in FEEDS[feed] if column not in dated and column != "patient_id"], dated


_PERSON = {
    "name": "'Synthetic Patient ' || number",
    "national_id": "'SYN-ID-' || number",
    "phone": "'SYN-TEL-' || number",
    "address": "number || ' Invented Road, Synthetic Town'",
}


# Counts and blasts decide outcomes and stay as they are; other values differ by up to 15% between patients of a
# template, or the files would be far more repetitive than a hospital's.
_LAB_VALUE = f"""
    case
        when r.loinc in ({", ".join(f"'{loinc}'" for loinc in [*_COUNTS, _BLOOD_BLASTS])}) then r.value
        else round(r.value::double * (0.85 + ((i * 7919 + r.place::bigint * 104729) % 301) / 1000.0), 2)::varchar
    end as value
"""


def _expression(feed: str, column: str) -> str:
    """How one column of the output follows from the patient and the template row."""
    if column == "patient_id" or column in _PERSON:
        return f"{_PERSON.get(column, 'patient_id')} as {column}"
    if column in _OWN_IDS:
        return f"patient_id || r.{column} as {column}"
    if (feed, column) == ("lab_results", "value"):
        return _LAB_VALUE
    if column not in _column_kinds(feed)[1]:
        return f"r.{column}"
    day = f"r.{column}_day"
    stretched = (
        f"case when {day} <= {_STRETCH_AFTER_DAY} then {day} "
        f"else {_STRETCH_AFTER_DAY} + (({day} - {_STRETCH_AFTER_DAY}) * stretch) // 1000 end"
    )
    return f"(infused_on + ({stretched})::integer)::varchar || r.{column}_time as {column}"


def _write_feed(connection: duckdb.DuckDBPyConnection, feed: str, order: _Order) -> list[WrittenFile]:
    options = "format parquet, compression zstd" if order.file_format == "parquet" else "format csv, header"
    columns = ", ".join(_expression(feed, column) for column in FEEDS[feed])
    blocks = range(0, order.patients, order.patients_per_file)
    written = []
    for part, begin in enumerate(blocks, start=1):
        name = feed if len(blocks) == 1 else f"{feed}-{part:04d}"
        path = order.folder / f"{name}.{order.file_format}"
        target = str(path).replace("'", "''")
        resampled = _resampled(begin, min(begin + order.patients_per_file, order.patients), order.seed)
        query = f"""
            with resampled as ({resampled}),
            moved as (
                select resampled.*, template_dates.infused_on - shift as infused_on
                from resampled
                inner join template_dates using (template)
            )
            select {columns}
            from (
                -- one chart per patient, unnested: keeps the order of patients and rows without a sort
                select moved.*, unnest(template.chart) as r
                from moved
                inner join template using (template)
            )
        """  # noqa: S608 - numbers and names of our own
        connection.execute(f"copy ({query}) to '{target}' ({options})")
        rows = connection.execute(
            f"select sum(len(chart))::bigint from ({resampled}) inner join template using (template)"  # noqa: S608
        ).fetchall()[0][0]
        written.append(describe(path, feed, int(rows or 0)))
    return written


def _resampled(begin: int, end: int, seed: int) -> str:
    """SQL for the patients after `begin` up to `end`; template, shift and stretch come from a hash of the number."""
    stretches = 1001 - _SMALLEST_STRETCH_PER_MILLE
    return f"""
        select
            i,
            lpad(i::varchar, 7, '0') as number,
            'SYN-' || lpad(i::varchar, 7, '0') as patient_id,
            1 + (md5_number_lower('template {seed} ' || i) % 39)::integer as template,
            (md5_number_lower('shift {seed} ' || i) % {_LARGEST_SHIFT_DAYS + 1})::integer as shift,
            {_SMALLEST_STRETCH_PER_MILLE} + (md5_number_lower('stretch {seed} ' || i) % {stretches})::integer as stretch
        from range({begin + 1}, {end + 1}) as patients (i)
    """  # noqa: S608 - numbers of our own
