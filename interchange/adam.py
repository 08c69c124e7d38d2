"""ADaM-style analysis datasets of the marts: ADSL, ADRS, ADTTE, ADAE.

Names, labels and codes follow CDISC ADaM where it has one; a variable of our own keeps to its limits (name of 8, label
of 40 characters). Two rules of the standard differ from the warehouse's: days relative to treatment have no day 0 (the
infusion is day 1, the day before it day -1), and flags are Y and N. AVAL of ADTTE stays the warehouse's: ADT - STARTDT.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb

from interchange.labelled_parquet import Dataset, Kind, Variable, write_dataset
from interchange.marts import mart
from interchange.naming import literal, study_identifier
from study import Study

ADAM_DATASETS = ("ADSL", "ADRS", "ADTTE", "ADAE")

Own = Callable[[str], str]
"""Names a mart, of the patients at hand alone, as SQL to stand after `from`."""

_ROWS = "adam_rows"
_PATIENTS_AT_A_TIME = 50_000  # some 1.3 million rows of ADRS, 300 MB while they are sorted

# CNSR: 0 is the endpoint's own event, every other code a kind of censoring, competing events among them.
EVENT = 0
CENSORED_AT_LAST_CONTACT = 1
CENSORED_AT_TRANSPLANT = 2
CENSORED_BY_DEATH = 3
CENSORED_BY_RELAPSE = 4
CENSORED_BY_TREATMENT_FAILURE = 5

# Code, words for CNSDTDSC, and the event of marts.events that dates it.
_CENSORINGS = (
    (CENSORED_AT_LAST_CONTACT, "last contact", "last_contact"),
    (CENSORED_AT_TRANSPLANT, "allogeneic HSCT", "allo_hsct"),
    (CENSORED_BY_DEATH, "death", "death"),
    (CENSORED_BY_RELAPSE, "relapse", "relapse"),
    (CENSORED_BY_TREATMENT_FAILURE, "treatment failure", "treatment_failure"),
)

# Endpoint of marts.outcomes, PARAMCD (8 characters at most), PARAM.
_TIME_PARAMETERS = (
    ("EFS", "EFS", "Event-Free Survival (days)"),
    ("OS", "OS", "Overall Survival (days)"),
    ("RFS", "RFS", "Relapse-Free Survival from First CR (days)"),
    ("DOR", "DOR", "Duration of Response (days)"),
    ("TIME_TO_CR", "TTCR", "Time to Complete Remission (days)"),
    ("TIME_TO_MRD_NEGATIVE", "TTMRDNEG", "Time to MRD-Negative Complete Remission (days)"),
    ("RELAPSE", "RELAPSE", "Time to Relapse, Competing Risks (days)"),
    ("NON_RELAPSE_MORTALITY", "NRM", "Non-Relapse Mortality, Competing Risks (days)"),
    ("FOLLOW_UP", "FOLLOWUP", "Follow-Up, Event is Last Contact Alive (days)"),
)

_ENDS_AT_TRANSPLANT = ("EFS", "RFS", "DOR")  # the endpoints that hsct.censor_at_hsct speaks of

# The column of each feed (extract contract) that dates its rows.
_DATE_COLUMNS = {
    "patients": "birth_date",
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


def write_adam(connection: duckdb.DuckDBPyConnection, study: Study, folder: Path) -> list[Path]:
    """Write adsl, adrs, adtte and adae as Parquet with labelled columns; the same marts give the same bytes.

    Args:
        connection: a connection whose own database holds the schema `marts`; read-only is enough.
        study: gives STUDYID and says whether a transplant ends follow-up.
        folder: created where it does not exist; files of these names in it are replaced.

    Returns:
        Paths of the four files, in the order of `ADAM_DATASETS`.

    Raises:
        InterchangeError: a mart or one of its contract's columns is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for prepare in (_subjects, _responses, _times_to_event, _adverse_events):
        written.append(write_dataset(connection, prepare(connection, study), folder))
        connection.execute(f"drop table if exists {_ROWS}")
    return written


def _store_in_order(connection: duckdb.DuckDBPyConnection, rows: Callable[[Own], str], order: str) -> None:
    """Store rows in the order of the patients as the temporary table `_ROWS`, some thousands of patients at a time.

    A few patients' rows are sorted in memory; all at once they went to disk at a million patients.

    Args:
        connection: whose own database holds the marts.
        rows: the rows' SQL, given what names a mart within the patients at hand.
        order: what orders them, the patient's key first.
    """
    begin = f"create temp table {_ROWS} as"
    for first, last in _ranges_of_patients(connection):

        def own(table: str, condition: str = f"patient_key between {literal(first)} and {literal(last)}") -> str:
            return f"(select * from {mart(connection, table)} where {condition})"  # noqa: S608

        connection.execute(f"{begin} {rows(own)} order by {order}")
        begin = f"insert into {_ROWS}"


def _ranges_of_patients(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """First and last key of every so many patients; one range without a patient where there are none."""
    found = connection.execute(
        f"""
        select min(patient_key), max(patient_key)
        from (select patient_key, row_number() over (order by patient_key) - 1 as place
            from {mart(connection, "patients")})
        group by place // {_PATIENTS_AT_A_TIME}
        order by all
        """  # noqa: S608
    ).fetchall()
    return [(str(first), str(last)) for first, last in found] or [("", "")]


def _flag(condition: str) -> str:
    """SQL for Y, N, or missing where the condition is unknown."""
    return f"case when {condition} then 'Y' when not ({condition}) then 'N' end"


def _relative_day(study_day: str) -> str:
    """SQL for the standard's day: no day 0, the first treatment is day 1."""
    return f"case when {study_day} >= 0 then {study_day} + 1 else {study_day} end"


def _infused(patient: str) -> str:
    return f"{patient}.infusion_date is not null"


def _treatment(patient: str) -> str:
    return f"case when {_infused(patient)} then concat_ws(' ', {patient}.cart_target, 'CAR-T') end"


def _identifiers(study: Study, patient: str) -> tuple[Variable, ...]:
    return (
        Variable("STUDYID", "Study Identifier", "text", literal(study_identifier(study))),
        Variable("USUBJID", "Unique Subject Identifier", "text", f"{patient}.patient_key"),
    )


def _subjects_of(patients: str) -> str:
    """What the datasets repeat of their subjects, one row each: said once for a subject, not for each of its rows."""
    treatment = _treatment("subjects")
    return f"""(
        select patient_key, included, infusion_date, hsct_date, death_date, {treatment} as treatment
        from {patients} as subjects
    )"""  # noqa: S608


def _subject_columns(patient: str) -> tuple[Variable, ...]:
    """The columns that every dataset repeats of its subject."""
    return (
        Variable("FASFL", "Full Analysis Set Population Flag", "text", _flag(f"{patient}.included")),
        Variable("SAFFL", "Safety Population Flag", "text", _flag(_infused(patient))),
        Variable("TRTSDT", "Date of First Exposure to Treatment", "date", f"{patient}.infusion_date"),
    )


def _source_columns(row: str, variable: str | None = None) -> tuple[Variable, ...]:
    """Where a row comes from: the standard's SRC triple (feed, column and row), then file and extract."""
    dates = " ".join(f"when {literal(feed)} then {literal(column)}" for feed, column in _DATE_COLUMNS.items())
    return (
        Variable("SRCDOM", "Source Data", "text", f"{row}.feed"),
        Variable("SRCVAR", "Source Variable", "text", variable or f"case {row}.feed {dates} end"),
        Variable("SRCSEQ", "Source Sequence Number", "whole", f'{row}."row"'),
        Variable("SRCFILE", "Source File", "text", f"{row}.file"),
        Variable("SRCEXTDT", "Date of Source Extract", "date", f'{row}."extract"'),
    )


def _subjects(connection: duckdb.DuckDBPyConnection, study: Study) -> Dataset:
    """One row per subject known, the excluded ones too."""
    flags: tuple[tuple[str, str, str], ...] = (
        ("RESPEVFL", "Response Evaluable Flag", "response_evaluable"),
        ("REFRFL", "Refractory Disease Flag", "refractory"),
        ("RELAPFL", "Relapsed Disease Flag", "relapsed"),
        ("EMDBLFL", "Extramedullary Disease at Baseline Flag", "extramedullary_disease"),
        ("CNSBLFL", "CNS Leukaemia at Baseline Flag", "cns_leukemia"),
        ("BCRABLFL", "BCR/ABL1 Flag", "bcr_abl1"),
        ("OTHFUSFL", "Other Fusion Gene Flag", "other_fusion_gene"),
        ("SH2B3FL", "SH2B3 Mutation Flag", "sh2b3"),
        ("PAX5FL", "PAX5 Mutation Flag", "pax5"),
        ("OTHMUTFL", "Other Mutation Flag", "other_mutation"),
        ("PRHSCTFL", "HSCT before Infusion Flag", "hsct_before_infusion"),
        ("FLUCYFL", "Fludarabine and Cyclophosphamide Flag", "flu_cy"),
        ("CRFL", "Complete Remission within Window Flag", "complete_remission"),
        ("MRDNEGFL", "MRD-Negative Complete Remission Flag", "mrd_negative"),
        ("HSCTBRFL", "Bridged to HSCT Flag", "bridged_to_hsct"),
        ("SEVCRSFL", "Severe Cytokine Release Syndrome Flag", "severe_crs"),
        ("NEUROFL", "Neurotoxicity Flag", "neurotoxicity"),
        ("INFECTFL", "Infection Flag", "infection"),
        ("ICUFL", "Intensive Care Flag", "icu_admission"),
        ("STEROIFL", "Glucocorticoids against CRS Flag", "glucocorticoids"),
        ("TOCILIFL", "Tocilizumab against CRS Flag", "tocilizumab"),
    )
    values: tuple[tuple[str, str, Kind, str], ...] = (
        ("PRCHEMON", "Number of Prior Chemotherapies", "whole", "prior_chemotherapies"),
        ("BMBLASBL", "Bone Marrow Blasts at Baseline (%)", "number", "marrow_blast_percent"),
        ("WBCBL", "Leukocytes at Baseline (10^9/L)", "number", "wbc"),
        ("FUSGENE", "Fusion Genes", "text", "fusion_gene"),
        ("LDREGIM", "Lymphodepletion Regimen", "text", "lymphodepletion_regimen"),
        ("CARTTGT", "Antigens of the Product", "text", "cart_target"),
        ("CELLSKG", "Cells per kg, First Course", "number", "cells_per_kg"),
        ("CRDT", "Date of First Complete Remission", "date", "complete_remission_date"),
        ("MRDNEGDT", "Date of MRD-Negative CR", "date", "mrd_negative_date"),
        ("BESTRESP", "Best Response", "text", "best_response"),
        ("HSCTDT", "Date of First HSCT after Infusion", "date", "hsct_date"),
        ("SUBSTHER", "Therapy after First Infusion", "text", "subsequent_therapy"),
        ("CRSGR", "Worst CRS Grade", "whole", "crs_grade"),
        ("HEMTOXGR", "Worst Haematologic Toxicity Grade", "whole", "hematologic_toxicity_grade"),
        ("LSTALVDT", "Date Last Known Alive", "date", "last_contact_date"),
        ("DTHDT", "Date of Death", "date", "death_date"),
    )
    imputed = "case patients.infusion_date_precision when 'month' then 'D' when 'year' then 'M' end"
    variables = (
        *_identifiers(study, "patients"),
        Variable("SUBJID", "Subject Identifier for the Study", "text", "patients.patient_key"),
        Variable("AGE", "Age", "whole", "patients.age_years"),
        Variable("AGEU", "Age Units", "text", "case when patients.age_years is not null then 'YEARS' end"),
        Variable("SEX", "Sex", "text", "coalesce(patients.sex, 'U')"),
        *_subject_columns("patients"),
        Variable("TRTSDTF", "Date of First Exposure Imput. Flag", "text", imputed),
        Variable("EXCLREAS", "Reason for Exclusion from Full Analysis", "text", "patients.exclusion_reason"),
        Variable("TRT01P", "Planned Treatment for Period 01", "text", _treatment("patients")),
        Variable("TRT01A", "Actual Treatment for Period 01", "text", _treatment("patients")),
        *(Variable(name, label, kind, f"patients.{column}") for name, label, kind, column in values),
        Variable("DTHFL", "Subject Death Flag", "text", "case when patients.death_date is not null then 'Y' end"),
        Variable("DTHCAUS", "Cause of Death", "text", "deaths.cause"),
        *(Variable(name, label, "text", _flag(f"patients.{column}")) for name, label, column in flags),
    )
    source = f"""
        from {mart(connection, "patients")} as patients
        left join (
            select patient_key, first(detail order by event_date, source_extract, source_file, source_row) as cause
            from {mart(connection, "events")}
            where event_type = 'death'
            group by patient_key
        ) as deaths on patients.patient_key = deaths.patient_key"""  # noqa: S608
    return Dataset("ADSL", "Subject-Level Analysis Dataset", variables, source, ("USUBJID",))


def _evidence_of(feed: str) -> str:
    return f"list_filter(evidence, lambda source: source.feed = {literal(feed)})[1]"


def _deciding_evidence() -> str:
    """The marrow's row where there is one, else the extramedullary finding's, else the first."""
    return f"coalesce({_evidence_of('marrow_assessments')}, {_evidence_of('extramedullary_assessments')}, evidence[1])"


# PARAMCD, PARAM, AVAL, condition or text of AVALC, and the source row; PARAMN is the place in the list.
_ASSESSMENT_PARAMETERS = (
    ("OVRLRESP", "Overall Response by Assessment", "null", "response", _deciding_evidence()),
    ("BMBLAST", "Bone Marrow Blasts (%)", "marrow_blast_percent", "null", _evidence_of("marrow_assessments")),
    ("CBLAST", "Circulating Blasts (%)", "circulating_blast_percent", _flag("circulating_blasts"),
     _evidence_of("lab_results")),
    ("EMD", "Extramedullary Disease", "null", _flag("extramedullary_disease"),
     _evidence_of("extramedullary_assessments")),
    ("MRD", "Minimal Residual Disease", "null", "mrd_status", _evidence_of("mrd_results")),
)  # fmt: skip
# Beginning of PARAMCD and PARAM, the rule set is added to both; AVAL, AVALC. PARAMN goes on from the list above.
_RULE_PARAMETERS = (
    ("BOR", "Best Overall Response within Window", "null", "response"),
    ("CR", "Complete Remission within Window", "cast(complete_remission as integer)", _flag("complete_remission")),
)
_FIRST_RULE_PARAMETER = len(_ASSESSMENT_PARAMETERS) + 1


def _assessment_rows(assessments: str) -> str:
    """One row per assessment date and finding that was made."""
    return " union all ".join(
        f"""
        select
            patient_key, cast({order} as tinyint) as paramn, cast({value} as double) as aval,
            cast({text} as varchar) as avalc, assessed_on as adt, study_day,
            rule_set, within_window as for_analysis, marrow_assumed, blood_assumed, extramedullary_assumed,
            {source} as source
        from {assessments}
        where {value} is not null or ({text}) is not null"""  # noqa: S608
        for order, (_, _, value, text, source) in enumerate(_ASSESSMENT_PARAMETERS, start=1)
    )


def _rule_rows(by_rule: str) -> str:
    """Best response and complete remission of each subject under each rule set."""
    return " union all ".join(
        f"""
        select
            patient_key, cast({order} as tinyint), cast({value} as double),
            cast({text} as varchar), complete_remission_date, study_day,
            rule_set, chosen, null, null, null,
            {_deciding_evidence()}
        from {by_rule}"""  # noqa: S608
        for order, (_, _, value, text) in enumerate(_RULE_PARAMETERS, start=_FIRST_RULE_PARAMETER)
    )


def _response_parameter_names() -> tuple[str, str]:
    """SQL for PARAMCD and PARAM from PARAMN and the rule set."""
    rule = "case results.rule_set when 'cibmtr' then 'CIBMT' else upper(left(results.rule_set, 5)) end"
    codes = [(literal(code), literal(label)) for code, label, *_ in _ASSESSMENT_PARAMETERS]
    codes += [
        (f"{literal(code)} || {rule}", f"{literal(label)} || ' (' || results.rule_set || ' rules)'")
        for code, label, *_ in _RULE_PARAMETERS
    ]
    paramcd = " ".join(f"when {order} then {code}" for order, (code, _) in enumerate(codes, start=1))
    param = " ".join(f"when {order} then {label}" for order, (_, label) in enumerate(codes, start=1))
    return f"case results.paramn {paramcd} end", f"case results.paramn {param} end"


def _findings(own: Own) -> str:
    """The rows of ADRS: findings of assessments, then results under each rule set."""
    return f"""
        select
            findings.* exclude (source),
            subjects.included, subjects.infusion_date, subjects.treatment,
            findings.source.feed as feed, findings.source."extract" as "extract",
            findings.source.file as file, findings.source."row" as "row"
        from ({_assessment_rows(own("response_assessments"))} union all {_rule_rows(own("response_by_rule"))})
            as findings
        inner join {_subjects_of(own("patients"))} as subjects on findings.patient_key = subjects.patient_key"""  # noqa: S608


def _responses(connection: duckdb.DuckDBPyConnection, study: Study) -> Dataset:
    """One row per subject, parameter and assessment date; under a rule set one per subject and rule set.

    Rows are sorted while they are narrow, and dressed with names and flags afterwards; the other datasets too.
    """
    paramcd, param = _response_parameter_names()
    variables = (
        *_identifiers(study, "results"),
        *_subject_columns("results"),
        Variable("TRTA", "Actual Treatment", "text", "results.treatment"),
        Variable("PARAMCD", "Parameter Code", "text", paramcd),
        Variable("PARAM", "Parameter", "text", param),
        Variable("PARAMN", "Parameter (N)", "whole", "results.paramn"),
        Variable("AVAL", "Analysis Value", "number", "results.aval"),
        Variable("AVALC", "Analysis Value (C)", "text", "results.avalc"),
        Variable("ADT", "Analysis Date", "date", "results.adt"),
        Variable("ADY", "Analysis Relative Day", "whole", _relative_day("results.study_day")),
        Variable("ANL01FL", "Analysis Flag 01", "text", "case when results.for_analysis then 'Y' end"),
        Variable("RULESET", "Response Rule Set", "text", "results.rule_set"),
        Variable("BMASUMFL", "Marrow Part Assumed to Be Met Flag", "text", _flag("results.marrow_assumed")),
        Variable("PBASUMFL", "Blood Part Assumed to Be Met Flag", "text", _flag("results.blood_assumed")),
        Variable("EMASUMFL", "Extramedullary Part Assumed Met Flag", "text", _flag("results.extramedullary_assumed")),
        *_source_columns("results"),
    )
    _store_in_order(
        connection, _findings, "findings.patient_key, findings.paramn, findings.rule_set, findings.adt nulls last"
    )
    return Dataset("ADRS", "Response Analysis Dataset", variables, f"from {_ROWS} as results", ())


def _censoring_code(study: Study) -> str:
    """SQL for CNSR. A death that lies at or before the end of an endpoint without event is what ended it."""
    at_transplant = ""
    if study.hsct.censor_at_hsct:
        endpoints = ", ".join(literal(endpoint) for endpoint in _ENDS_AT_TRANSPLANT)
        at_transplant = f"""when outcomes.event_kind = 'censored' and outcomes.endpoint in ({endpoints})
            and patients.hsct_date <= outcomes.event_date then {CENSORED_AT_TRANSPLANT}"""
    return f"""case
        when outcomes.event then {EVENT}
        {at_transplant}
        when outcomes.event_kind = 'relapse' then {CENSORED_BY_RELAPSE}
        when outcomes.event_kind = 'treatment_failure' then {CENSORED_BY_TREATMENT_FAILURE}
        when outcomes.event_kind = 'death' or patients.death_date <= outcomes.event_date then {CENSORED_BY_DEATH}
        else {CENSORED_AT_LAST_CONTACT}
    end"""


def _endings(study: Study, own: Own) -> str:
    """The rows of ADTTE, each with the row of the extract that dates its end."""
    order = ", ".join(
        f"({literal(endpoint)}, {place})" for place, (endpoint, *_) in enumerate(_TIME_PARAMETERS, start=1)
    )
    ends = " ".join(f"when {code} then {literal(event)}" for code, _, event in _CENSORINGS)
    source_row = """struct_pack(
        feed := happened.source_feed, "extract" := happened.source_extract,
        file := happened.source_file, "row" := happened.source_row
    )"""
    return f"""
        with endings as (
            select
                outcomes.patient_key, outcomes.endpoint, outcomes.time_days, outcomes.time_months, outcomes.reason,
                outcomes.event_kind, outcomes.event_date, outcomes.date_imputed,
                outcomes.evidence[-1] as last_source, len(outcomes.evidence) as source_rows,
                patients.included, patients.infusion_date, patients.treatment,
                names.paramn,
                {_censoring_code(study)} as cnsr,
                case cnsr when {EVENT} then outcomes.event_kind {ends} end as ending
            from {own("outcomes")} as outcomes
            inner join {_subjects_of(own("patients"))} as patients on outcomes.patient_key = patients.patient_key
            inner join (values {order}) as names (endpoint, paramn) on outcomes.endpoint = names.endpoint
            where outcomes.kind = 'time_to_event'
        ),

        -- The few kinds of event that end a time: without this every adverse event is a candidate too.
        ends as (
            select patient_key, event_type, event_date, {source_row} as source
            from {own("events")} as happened
            where event_type in (select distinct ending from endings)
        ),

        -- Nearly every patient has one row of a kind: that needs no choice.
        repeated as (
            select patient_key, event_type from ends group by patient_key, event_type having count(*) > 1
        ),

        -- The row of the extract that dates the ending: of the rows of that event up to the day, one that is
        -- part of the outcome's evidence before any other, then the latest.
        chosen_ends as (
            select
                endings.patient_key,
                endings.paramn,
                first(
                    happened.source
                    order by
                        list_contains(outcomes.evidence, happened.source) desc,
                        happened.event_date desc,
                        happened.source
                ) as source
            from ends as happened
            inner join repeated
                on happened.patient_key = repeated.patient_key and happened.event_type = repeated.event_type
            inner join endings
                on
                    happened.patient_key = endings.patient_key
                    and happened.event_type = endings.ending
                    and happened.event_date <= endings.event_date
            inner join {own("outcomes")} as outcomes
                on endings.patient_key = outcomes.patient_key and endings.endpoint = outcomes.endpoint
            group by endings.patient_key, endings.paramn
        )

        select
            endings.* exclude (last_source),
            coalesce(only_ends.source, chosen_ends.source, endings.last_source) as source
        from endings
        left join (
            select ends.*
            from ends
            anti join repeated on ends.patient_key = repeated.patient_key and ends.event_type = repeated.event_type
        ) as only_ends
            on
                endings.patient_key = only_ends.patient_key
                and endings.ending = only_ends.event_type
                and only_ends.event_date <= endings.event_date
        left join chosen_ends
            on endings.patient_key = chosen_ends.patient_key and endings.paramn = chosen_ends.paramn"""  # noqa: S608


def _times_to_event(connection: duckdb.DuckDBPyConnection, study: Study) -> Dataset:
    """One row per included subject and time-to-event endpoint; sorted while narrow, dressed with words afterwards."""
    codes = " ".join(
        f"when {place} then {literal(code)}" for place, (_, code, _) in enumerate(_TIME_PARAMETERS, start=1)
    )
    labels = " ".join(
        f"when {place} then {literal(text)}" for place, (*_, text) in enumerate(_TIME_PARAMETERS, start=1)
    )
    words = " ".join(f"when {code} then {literal(text)}" for code, text, _ in _CENSORINGS)
    dates = " ".join(f"when {literal(feed)} then {literal(column)}" for feed, column in _DATE_COLUMNS.items())
    source_variable = f"""case
        when times.source.feed = 'follow_ups' and times.ending = 'death' then 'death_on'
        when times.source.feed = 'follow_ups' and times.ending = 'relapse' then 'relapse_on'
        else case times.source.feed {dates} end
    end"""
    variables = (
        *_identifiers(study, "times"),
        *_subject_columns("times"),
        Variable("TRTA", "Actual Treatment", "text", "times.treatment"),
        Variable("PARAMCD", "Parameter Code", "text", f"case times.paramn {codes} end"),
        Variable("PARAM", "Parameter", "text", f"case times.paramn {labels} end"),
        Variable("PARAMN", "Parameter (N)", "whole", "times.paramn"),
        Variable("AVAL", "Analysis Value", "number", "times.time_days"),
        Variable("AVALU", "Analysis Value Unit", "text", "'DAYS'"),
        Variable("AVALMO", "Analysis Value in Months", "number", "times.time_months"),
        Variable("CNSR", "Censor", "whole", "times.cnsr"),
        Variable("EVNTDESC", "Event or Censoring Description", "text",
                 "coalesce(times.reason, replace(times.event_kind, '_', ' '))"),
        Variable("CNSDTDSC", "Censor Date Description", "text", f"case times.cnsr {words} end"),
        Variable("STARTDT", "Time-to-Event Origin Date for Subject", "date", "times.event_date - times.time_days"),
        Variable("ADT", "Analysis Date", "date", "times.event_date"),
        Variable("ADY", "Analysis Relative Day", "whole",
                 _relative_day("date_diff('day', times.infusion_date, times.event_date)")),
        Variable("DTIMPFL", "Origin or Analysis Date Imputed Flag", "text", _flag("times.date_imputed")),
        *_source_columns("times.source", source_variable),
        Variable("SRCCNT", "Number of Source Rows", "whole", "times.source_rows"),
    )  # fmt: skip
    _store_in_order(connection, partial(_endings, study), "endings.patient_key, endings.paramn")
    return Dataset("ADTTE", "Time-to-Event Analysis Dataset", variables, f"from {_ROWS} as times", ())


def _numbered_events(own: Own) -> str:
    """The rows of ADAE, numbered within their subject."""
    return f"""
        select
            events.* exclude (evidence),
            events.evidence[1] as source, len(events.evidence) as source_rows,
            subjects.included, subjects.infusion_date, subjects.treatment,
            row_number() over (partition by events.patient_key order by events.phase, events.term) as place
        from {own("adverse_events")} as events
        inner join {_subjects_of(own("patients"))} as subjects on events.patient_key = subjects.patient_key"""  # noqa: S608


def _adverse_events(connection: duckdb.DuckDBPyConnection, study: Study) -> Dataset:
    """One row per subject, phase and term, at its worst grade. An undated event counts as treatment-emergent."""
    phase = "case events.phase when 'cart' then 'After CAR-T infusion' when 'hsct' then 'After HSCT' end"
    variables = (
        *_identifiers(study, "events"),
        *_subject_columns("events"),
        Variable("TRTA", "Actual Treatment", "text", "events.treatment"),
        Variable("AESEQ", "Sequence Number", "whole", "events.place"),
        Variable("AETERM", "Reported Term for the Adverse Event", "text", "events.term"),
        Variable("AEPARENT", "Event That This Is a Symptom of", "text", "events.parent_term"),
        Variable("AEPHASE", "Treatment Phase of the Adverse Event", "text", "events.phase"),
        Variable("APHASE", "Phase", "text", phase),
        Variable("AETOXGR", "Standard Toxicity Grade", "text", "events.worst_grade"),
        Variable("ATOXGRN", "Analysis Toxicity Grade (N)", "whole", "events.worst_grade"),
        Variable("AESCALE", "Grading Scale", "text", "events.grading_scale"),
        Variable("AESDTH", "Results in Death", "text", _flag("events.worst_grade = 5")),
        Variable("ASTDT", "Analysis Start Date", "date", "events.infusion_date + events.first_study_day"),
        Variable("ASTDY", "Analysis Start Relative Day", "whole", _relative_day("events.first_study_day")),
        Variable("TRTEMFL", "Treatment Emergent Analysis Flag", "text",
                 f"case when {_infused('events')} and coalesce(events.first_study_day, 0) >= 0 then 'Y' end"),
        Variable("NOHSCTFL", "Phase after HSCT without HSCT Flag", "text", _flag("events.without_transplant")),
        *_source_columns("events.source"),
        Variable("SRCCNT", "Number of Source Rows", "whole", "events.source_rows"),
    )  # fmt: skip
    _store_in_order(connection, _numbered_events, "events.patient_key, place")
    return Dataset("ADAE", "Adverse Events Analysis Dataset", variables, f"from {_ROWS} as events", ())
