"""A study folder for cBioPortal's importer: meta files, clinical patient and sample files, timelines.

Only included patients are exported, time zero of every timeline is the first infusion, and patients appear under the
first digits of their key: cBioPortal keeps 50 characters of a patient's id and 255 of a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

from interchange.marts import InterchangeError, mart
from interchange.naming import literal, one_line, study_identifier
from study import Study

KEY_DIGITS = 32
MAX_VALUE = 255
SAMPLE_SUFFIX = "-BASELINE"

Datatype = Literal["STRING", "NUMBER", "BOOLEAN"]


@dataclass(frozen=True)
class Attribute:
    """One column of a clinical file: the four header lines, its name and the SQL that gives it as text."""

    name: str
    label: str
    description: str
    datatype: Datatype
    sql: str
    priority: int = 1


@dataclass(frozen=True)
class Timeline:
    """One kind of event: its file's name, the columns beside the four required ones, and which events it shows."""

    name: str
    event_type: str
    columns: tuple[tuple[str, str], ...]
    shows: str


def write_cbioportal(connection: duckdb.DuckDBPyConnection, study: Study, folder: Path) -> list[Path]:
    """Write a study folder: study, patients, samples and timelines; the same marts give the same bytes.

    Args:
        connection: a connection whose own database holds the schema `marts`; read-only is enough.
        study: gives the study's identifier, name and disease.
        folder: created where it does not exist; files of these names in it are replaced.

    Returns:
        Paths of all files written, sorted.

    Raises:
        InterchangeError: a mart or one of its contract's columns is missing, or two patients share the digits of their
            keys that cBioPortal keeps.
    """
    folder.mkdir(parents=True, exist_ok=True)
    require_distinct_ids(connection)
    written = [_write_meta_study(study, folder)]
    patients, outcomes = mart(connection, "patients"), mart(connection, "outcomes")
    written += _write_clinical(
        connection, study, folder, "patient", _patient_attributes(), _patients_source(patients, outcomes)
    )
    written += _write_clinical(
        connection, study, folder, "sample", _sample_attributes(study), f"from {patients} as patients"
    )
    for timeline in _timelines():
        written += _write_timeline(connection, study, folder, timeline)
    return sorted(written)


def _patient_id(key: str) -> str:
    return f"left({key}, {KEY_DIGITS})"


def _text(expression: str) -> str:
    """SQL for a text that can't break a line or a column, missing where empty."""
    # The pattern leaves a single blank as it is: replacing every one took twice as long.
    cleaned = f"trim(regexp_replace(cast({expression} as varchar), '\\s{{2,}}|[\\t\\n\\f\\r]', ' ', 'g'))"
    return f"nullif(left({cleaned}, {MAX_VALUE}), '')"


def _boolean(column: str) -> str:
    return f"case when {column} then 'TRUE' when not {column} then 'FALSE' end"


def _months(endpoint: str) -> str:
    return f"cast(round({endpoint}.time_months, 4) as varchar)"


def _status(endpoint: str, without: str, with_event: str) -> str:
    return f"case when {endpoint}.event then '1:{with_event}' when not {endpoint}.event then '0:{without}' end"


def subject_of(key: str) -> str:
    """Return the patient id that cBioPortal keeps of a patient's key."""
    return key[:KEY_DIGITS]


def require_distinct_ids(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise InterchangeError where two patients share the digits of their keys that cBioPortal keeps."""
    clash = connection.execute(
        f"select 1 from {mart(connection, 'patients')} where included "  # noqa: S608
        f"group by {_patient_id('patient_key')} having count(*) > 1 limit 1"
    ).fetchone()
    if clash:
        raise InterchangeError(
            f"Two patients share the first {KEY_DIGITS} digits of patient_key, all that cBioPortal can keep. "
            "Rotate the pseudonym key, then export again."
        )


def _cancer_type(study: Study) -> str:
    """OncoTree code of the cohort: B-lymphoblastic leukaemia where the study asks for it, else `mixed`."""
    prefixes = study.cohort.diagnosis_prefixes
    lymphoblastic = bool(prefixes) and all(prefix.startswith("C91.0") for prefix in prefixes)
    return "bll" if lymphoblastic and study.cohort.immunophenotype == "CD19+" else "mixed"


def _write_meta(path: Path, fields: Sequence[tuple[str, str]]) -> Path:
    path.write_text("".join(f"{key}: {one_line(value)}\n" for key, value in fields), encoding="utf-8")
    return path


def _write_meta_study(study: Study, folder: Path) -> Path:
    description = "Outcomes after CAR-T infusion, pseudonymised. Day 0 of the timelines is the first infusion."
    if study.study.data_cutoff is not None:
        description += f" Data cut-off {study.study.data_cutoff.isoformat()}."
    fields = (
        ("type_of_cancer", _cancer_type(study)),
        ("cancer_study_identifier", study_identifier(study)),
        ("name", one_line(study.study.name)[:MAX_VALUE]),
        ("description", description),
        ("add_global_case_list", "true"),
    )
    return _write_meta(folder / "meta_study.txt", fields)


def _write_clinical(
    connection: duckdb.DuckDBPyConnection,
    study: Study,
    folder: Path,
    level: Literal["patient", "sample"],
    attributes: Sequence[Attribute],
    source: str,
) -> list[Path]:
    """Write meta and data file of one level; the data file begins with the four header lines and the names."""
    data = folder / f"data_clinical_{level}.txt"
    meta = _write_meta(
        folder / f"meta_clinical_{level}.txt",
        (
            ("cancer_study_identifier", study_identifier(study)),
            ("genetic_alteration_type", "CLINICAL"),
            ("datatype", f"{level.upper()}_ATTRIBUTES"),
            ("data_filename", data.name),
        ),
    )
    header = (
        [attribute.label for attribute in attributes],
        [attribute.description for attribute in attributes],
        [attribute.datatype for attribute in attributes],
        [str(attribute.priority) for attribute in attributes],
    )
    lines = [["#" + line[0], *line[1:]] for line in header]
    _write_table(connection, data, lines, [(a.name, a.sql) for a in attributes], f"{source} where patients.included")
    return [meta, data]


def _write_timeline(
    connection: duckdb.DuckDBPyConnection, study: Study, folder: Path, timeline: Timeline
) -> list[Path]:
    data = folder / f"data_timeline_{timeline.name}.txt"
    meta = _write_meta(
        folder / f"meta_timeline_{timeline.name}.txt",
        (
            ("cancer_study_identifier", study_identifier(study)),
            ("genetic_alteration_type", "CLINICAL"),
            ("datatype", "TIMELINE"),
            ("data_filename", data.name),
        ),
    )
    columns = [
        ("PATIENT_ID", _patient_id("events.patient_key")),
        ("START_DATE", "events.study_day"),
        ("STOP_DATE", "null"),
        ("EVENT_TYPE", literal(timeline.event_type)),
        *timeline.columns,
    ]
    source = f"""
        from {mart(connection, "events")} as events
        inner join {mart(connection, "patients")} as patients on events.patient_key = patients.patient_key
        where patients.included and ({timeline.shows})"""
    _write_table(connection, data, [], columns, source)
    return [meta, data]


def _write_table(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    header: Sequence[Sequence[str]],
    columns: Sequence[tuple[str, str]],
    source: str,
) -> None:
    """Write header lines, column names and rows as tab-separated text without quotes, rows ordered by all columns.

    A column `START_DATE` orders as the number that it is.
    """
    names = [name for name, _ in columns]
    lines = [*header, names]
    first_lines = " union all ".join(
        f"select {number} as line, null as start_day, {', '.join(literal(cell) for cell in line)}"
        for number, line in enumerate(lines)
    )
    cells = ", ".join(f"cast({sql} as varchar) as {name}" for name, sql in columns)
    start = next((sql for name, sql in columns if name == "START_DATE"), "null")
    order = ", ".join(["line", names[0], "start_day", *names[1:]])
    connection.execute(
        f"""
        copy (
            select {", ".join(names)}
            from (
                select {len(lines)} as line, cast({start} as integer) as start_day, {cells} {source}
                union all
                {first_lines}
            )
            order by {order}
        ) to {literal(str(path))} (format csv, delimiter '\t', quote '', escape '', header false, nullstr '')
        """  # noqa: S608
    )


def _patients_source(patients: str, outcomes: str) -> str:
    """Patients with one row of each survival endpoint beside them."""
    joins = " ".join(
        f"""
        left join (select * from {outcomes} where endpoint = '{endpoint.upper()}') as {endpoint}
            on patients.patient_key = {endpoint}.patient_key"""  # noqa: S608
        for endpoint in ("os", "rfs", "efs")
    )
    return f"from {patients} as patients {joins}"


def _of_patient(name: str, label: str, datatype: Datatype, column: str, description: str | None = None) -> Attribute:
    """An attribute that is one column of marts.patients."""
    qualified = f"patients.{column}"
    sql = _boolean(qualified) if datatype == "BOOLEAN" else _text(qualified)
    return Attribute(name, label, description or label, datatype, sql)


def _patient_attributes() -> tuple[Attribute, ...]:
    return (
        Attribute("PATIENT_ID", "Patient Identifier", "Patient pseudonym", "STRING",
                  _patient_id("patients.patient_key")),
        Attribute("OS_STATUS", "Overall Survival Status", "Overall survival status", "STRING",
                  _status("os", "LIVING", "DECEASED")),
        Attribute("OS_MONTHS", "Overall Survival (Months)", "Months from first CAR-T infusion to death or last contact",
                  "NUMBER", _months("os")),
        Attribute("DFS_STATUS", "Disease Free Status", "Relapse or death after first complete remission; empty without "
                  "a remission", "STRING", _status("rfs", "DiseaseFree", "Recurred/Progressed")),
        Attribute("DFS_MONTHS", "Disease Free (Months)", "Months from first complete remission to relapse or death",
                  "NUMBER", _months("rfs")),
        Attribute("EFS_STATUS", "Event Free Status", "Treatment failure, relapse or death after first CAR-T infusion",
                  "STRING", _status("efs", "EventFree", "Event")),
        Attribute("EFS_MONTHS", "Event Free (Months)", "Months from first CAR-T infusion to treatment failure, relapse "
                  "or death", "NUMBER", _months("efs")),
        Attribute("SEX", "Sex", "Sex", "STRING",
                  "case patients.sex when 'F' then 'Female' when 'M' then 'Male' end", 9),
        _of_patient("AGE", "Age", "NUMBER", "age_years", "Whole years of age at first CAR-T infusion"),
        _of_patient("PRIOR_CHEMOTHERAPIES", "Prior Chemotherapies", "NUMBER", "prior_chemotherapies"),
        _of_patient("REFRACTORY", "Refractory Disease", "BOOLEAN", "refractory"),
        _of_patient("RELAPSED", "Relapsed Disease", "BOOLEAN", "relapsed"),
        _of_patient("LYMPHODEPLETION", "Lymphodepletion Regimen", "STRING", "lymphodepletion_regimen"),
        _of_patient("CART_TARGET", "CAR-T Target", "STRING", "cart_target"),
        _of_patient("CELLS_PER_KG", "CAR-T Cells per kg", "NUMBER", "cells_per_kg"),
        _of_patient("BEST_RESPONSE", "Best Response", "STRING", "best_response", "Best response within the window"),
        _of_patient("COMPLETE_REMISSION", "Complete Remission", "BOOLEAN", "complete_remission",
                    "Complete remission within the response window"),
        _of_patient("MRD_NEGATIVE", "MRD-Negative Complete Remission", "BOOLEAN", "mrd_negative"),
        _of_patient("BRIDGED_TO_HSCT", "Bridged to HSCT", "BOOLEAN", "bridged_to_hsct"),
        _of_patient("CRS_GRADE", "Worst CRS Grade", "NUMBER", "crs_grade"),
        _of_patient("SEVERE_CRS", "Severe CRS", "BOOLEAN", "severe_crs"),
        _of_patient("NEUROTOXICITY", "Neurotoxicity", "BOOLEAN", "neurotoxicity"),
    )  # fmt: skip


def _sample_attributes(study: Study) -> tuple[Attribute, ...]:
    """One sample a patient: the disease as it was before the infusion."""
    patient_id = _patient_id("patients.patient_key")
    known = _cancer_type(study) == "bll"
    cancer, detailed = (
        ("Leukemia", "B-Lymphoblastic Leukemia/Lymphoma") if known else ("Mixed Cancer Types", "Mixed Cancer Types")
    )
    kind = "case when patients.relapsed then 'Recurrence' when not patients.relapsed then 'Primary' end"
    return (
        Attribute("PATIENT_ID", "Patient Identifier", "Patient pseudonym", "STRING", patient_id),
        Attribute("SAMPLE_ID", "Sample Identifier", "Sample identifier", "STRING",
                  f"{patient_id} || '{SAMPLE_SUFFIX}'"),
        Attribute("CANCER_TYPE", "Cancer Type", "Cancer type", "STRING", literal(cancer)),
        Attribute("CANCER_TYPE_DETAILED", "Cancer Type Detailed", "Cancer type detailed", "STRING", literal(detailed)),
        Attribute("SAMPLE_TYPE", "Sample Type", "Recurrence where the disease had relapsed", "STRING", kind),
        _of_patient("MARROW_BLAST_PERCENT", "Bone Marrow Blasts (%)", "NUMBER", "marrow_blast_percent",
                    "Blasts in the last marrow before the infusion"),
        _of_patient("EXTRAMEDULLARY_DISEASE", "Extramedullary Disease", "BOOLEAN", "extramedullary_disease"),
        _of_patient("CNS_LEUKEMIA", "CNS Leukemia", "BOOLEAN", "cns_leukemia"),
        _of_patient("WBC", "Leukocytes (10^9/L)", "NUMBER", "wbc", "Leukocytes before the infusion"),
        _of_patient("FUSION_GENE", "Fusion Gene", "STRING", "fusion_gene"),
        _of_patient("BCR_ABL1", "BCR/ABL1", "BOOLEAN", "bcr_abl1"),
        _of_patient("SH2B3_MUTATION", "SH2B3 Mutation", "BOOLEAN", "sh2b3"),
        _of_patient("PAX5_MUTATION", "PAX5 Mutation", "BOOLEAN", "pax5"),
    )  # fmt: skip


def _timelines() -> tuple[Timeline, ...]:
    """Treatment, status and toxicity; laboratory values are left out."""
    product = "regexp_extract(events.detail, '^(CD[0-9A-Z+]+), ', 1)"
    subtype = """case events.event_type
        when 'infusion' then 'CAR-T cells' when 'allo_hsct' then 'Transplantation'
        when 'crs_treatment' then 'Treatment of CRS' else 'Chemotherapy' end"""
    agent = f"""case events.event_type
        when 'infusion' then concat_ws(' ', nullif({product}, ''), 'CAR-T')
        when 'allo_hsct' then 'Allogeneic HSCT' else {_text("events.detail")} end"""
    return (
        Timeline(
            "treatment",
            "TREATMENT",
            (
                ("TREATMENT_TYPE", "'Medical Therapy'"),
                ("SUBTYPE", subtype),
                ("AGENT", agent),
                ("DOSE", "events.value"),
                ("DETAIL", _text("events.detail")),
            ),
            # A repeated infusion and a transplant are a subsequent therapy too; their own events show them.
            "events.event_type in ('infusion', 'allo_hsct', 'crs_treatment') "
            "or (events.event_type = 'subsequent_therapy' and events.source_feed = 'medications')",
        ),
        Timeline(
            "status",
            "STATUS",
            (("STATUS", "replace(events.event_type, '_', ' ')"), ("DETAIL", _text("events.detail"))),
            "events.event_type in "
            "('complete_remission', 'mrd_negative', 'treatment_failure', 'relapse', 'death', 'last_contact')",
        ),
        Timeline(
            "toxicity",
            "TOXICITY",
            (("SUBTYPE", _text("events.detail")), ("GRADE", "events.grade")),
            "events.event_type = 'adverse_event'",
        ),
    )
