"""Marts of the contract in a throw-away DuckDB: filled by hand for worked cases, or from the reference cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

REFERENCE_COHORT = Path(__file__).parents[2] / "synthetic_emr" / "reference_cohort.csv"

PATIENTS = """
create table marts.patients (
    patient_key varchar, included boolean, exclusion_reason varchar, sex varchar, age_years integer,
    infusion_date date, prior_chemotherapies integer, refractory boolean, relapsed boolean,
    marrow_blast_percent double, extramedullary_disease boolean, cns_leukemia boolean, fusion_gene varchar,
    bcr_abl1 boolean, other_fusion_gene boolean, sh2b3 boolean, pax5 boolean, other_mutation boolean, wbc double,
    lymphodepletion_regimen varchar, flu_cy boolean, cart_target varchar, cells_per_kg double,
    complete_remission boolean, mrd_negative boolean, bridged_to_hsct boolean, crs_grade integer, severe_crs boolean,
    hematologic_toxicity_grade integer, neurotoxicity boolean, infection boolean, icu_admission boolean,
    glucocorticoids boolean, tocilizumab boolean, subsequent_therapy varchar
)
"""
OUTCOMES = """
create table marts.outcomes (
    patient_key varchar, endpoint varchar, kind varchar, achieved boolean, time_days integer, time_months double,
    event boolean, event_kind varchar, event_date date
)
"""
ADVERSE_EVENTS = """
create table marts.adverse_events (
    patient_key varchar, phase varchar, term varchar, parent_term varchar, worst_grade integer,
    grading_scale varchar, first_study_day integer
)
"""


class Marts:
    """Empty marts; ``add_*`` fills only what a test needs, everything else is NULL."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("create schema marts")
        for table in (PATIENTS, OUTCOMES, ADVERSE_EVENTS):
            self.connection.execute(table)

    def add_patient(self, patient_key: str, *, included: bool = True, **columns: Any) -> None:
        self._insert("patients", patient_key=patient_key, included=included, **columns)

    def add_binary(self, patient_key: str, endpoint: str, achieved: bool | None, **columns: Any) -> None:
        self._insert(
            "outcomes", patient_key=patient_key, endpoint=endpoint, kind="binary", achieved=achieved, **columns
        )

    def add_time(self, patient_key: str, endpoint: str, days: int | None, event: bool, **columns: Any) -> None:
        months = None if days is None else days / 30.4375
        self._insert(
            "outcomes",
            patient_key=patient_key,
            endpoint=endpoint,
            kind="time_to_event",
            time_days=days,
            time_months=months,
            event=event,
            **columns,
        )

    def add_adverse_event(self, patient_key: str, term: str, grade: int | None, **columns: Any) -> None:
        row = {"phase": "cart", **columns}
        self._insert("adverse_events", patient_key=patient_key, term=term, worst_grade=grade, **row)

    def _insert(self, table: str, **columns: Any) -> None:
        names, marks = ", ".join(columns), ", ".join("?" for _ in columns)
        self.connection.execute(f"insert into marts.{table} ({names}) values ({marks})", list(columns.values()))


def reference_marts() -> Marts:
    """The synthetic reference cohort as the marts would hold it (its own derived columns, no derivation here)."""
    marts = Marts()
    run = marts.connection.execute
    run(
        "create temp table cohort as from read_csv(?, header = true, all_varchar = true, nullstr = '')",
        [str(REFERENCE_COHORT)],
    )
    run("""
        insert into marts.patients by name
        select
            patient_id as patient_key, true as included, if(sex = 'male', 'M', 'F') as sex,
            age_years::integer as age_years,
            infusion_date::date as infusion_date, n_prev_chemo::integer as prior_chemotherapies,
            refractory = '1' as refractory, relapsed = '1' as relapsed, bm_blasts_pct::double as marrow_blast_percent,
            extramedullary = '1' as extramedullary_disease, cnsl = '1' as cns_leukemia, fusion_gene,
            bcr_abl1 = '1' as bcr_abl1, coalesce(fusion_gene <> 'BCR/ABL1', false) as other_fusion_gene,
            sh2b3 = '1' as sh2b3, pax5 = '1' as pax5, other_mutations is not null as other_mutation,
            wbc_1e9_l::double as wbc, lymphodepletion as lymphodepletion_regimen, flu_cy = '1' as flu_cy,
            if(dual_target = '1', 'CD19+CD22', 'CD19') as cart_target, cr = '1' as complete_remission,
            cr_mrd_negative = '1' as mrd_negative, hsct = '1' as bridged_to_hsct,
            crs_grade::integer as crs_grade, crs_severe = '1' as severe_crs,
            hematologic_toxicity_grade::integer as hematologic_toxicity_grade, neurotoxicity = '1' as neurotoxicity,
            infection = '1' as infection, icu = '1' as icu_admission, glucocorticoids = '1' as glucocorticoids,
            tocilizumab = '1' as tocilizumab, subsequent_therapy
        from cohort
    """)
    for endpoint, achieved, date in (
        ("CR", "cr = '1'", "cr_date"),
        ("MRD_NEGATIVE_CR", "cr_mrd_negative = '1'", "mrd_negative_date"),
        ("MRD_POSITIVE_CR", "cr = '1' and cr_mrd_negative = '0'", "cr_date"),
        ("HSCT_BRIDGE", "hsct = '1'", "hsct_date"),
        ("SEVERE_CRS", "crs_severe = '1'", "null"),
    ):
        run(f"""
            insert into marts.outcomes by name
            select patient_id as patient_key, '{endpoint}' as endpoint, 'binary' as kind, {achieved} as achieved,
                try_cast({date} as date) as event_date
            from cohort
        """)
    for endpoint, days, event, kind in (
        ("OS", "os_days", "os_event = '1'", "if(os_event = '1', 'death', 'censored')"),
        ("EFS", "efs_days", "efs_event = '1'", "replace(efs_event_type, ' ', '_')"),
        ("FOLLOW_UP", "followup_days", "os_event = '0'", "if(os_event = '1', 'death', 'last_contact')"),
        ("TIME_TO_CR", "coalesce(cr_day, followup_days)", "cr = '1'", "if(cr = '1', 'response', 'censored')"),
        (
            "TIME_TO_MRD_NEGATIVE",
            "coalesce(mrd_negative_day, followup_days)",
            "cr_mrd_negative = '1'",
            "if(cr_mrd_negative = '1', 'response', 'censored')",
        ),
    ):
        run(f"""
            insert into marts.outcomes by name
            select patient_id as patient_key, '{endpoint}' as endpoint, 'time_to_event' as kind,
                ({days})::integer as time_days, ({days})::integer / 30.4375 as time_months, {event} as event,
                {kind} as event_kind, infusion_date::date + ({days})::integer as event_date
            from cohort
        """)
    symptoms = "'CRS'"
    for endpoint, own in (("RELAPSE", "relapse"), ("NON_RELAPSE_MORTALITY", "death")):
        run(f"""
            insert into marts.outcomes by name
            with ended as (
                select patient_id,
                    least(relapse_day::integer, treatment_failure_day::integer, death_day::integer) as day,
                    case when relapse_day is not null then 'relapse'
                        when treatment_failure_day is not null then 'treatment_failure'
                        when death_day is not null then 'death' else 'censored' end as kind,
                    followup_days::integer as last_day
                from cohort
            )
            select patient_id as patient_key, '{endpoint}' as endpoint, 'time_to_event' as kind,
                coalesce(day, last_day) as time_days, ended.kind = '{own}' as event, ended.kind as event_kind
            from ended
        """)
    for term, condition, grade, phase, parent in (
        ("CRS", "crs = '1'", "crs_grade", "cart", "null"),
        ("fever", "crs_fever = '1'", "null", "cart", symptoms),
        ("hypotension", "crs_hypotension = '1'", "null", "cart", symptoms),
        ("hypoxemia", "crs_hypoxemia = '1'", "null", "cart", symptoms),
        ("capillary leak syndrome", "crs_capillary_leak = '1'", "null", "cart", symptoms),
        ("hepatic injury", "crs_hepatic_injury = '1'", "ascii(crs_hepatic_injury_class) - 64", "cart", symptoms),
        ("heart injury", "crs_heart_injury = '1'", ROMAN.format("crs_heart_injury_grade"), "cart", symptoms),
        (
            "hematologic toxicity",
            "hematologic_toxicity_grade is not null",
            "hematologic_toxicity_grade",
            "cart",
            "null",
        ),
        ("neurotoxicity", "neurotoxicity = '1'", "null", "cart", "null"),
        ("infection", "infection = '1'", "null", "cart", "null"),
        ("GVHD", "hsct_gvhd = '1'", ROMAN.format("hsct_gvhd_grade"), "hsct", "null"),
        ("erythra", "hsct_erythra = '1'", "null", "hsct", "null"),
        ("gastrointestinal reactions", "hsct_gastrointestinal = '1'", "null", "hsct", "null"),
        ("hepatic injury", "hsct_hepatic_injury = '1'", "null", "hsct", "null"),
        ("hemorrhagic cystitis", "hsct_hemorrhagic_cystitis = '1'", "null", "hsct", "null"),
        ("hepatic veno-occlusive disease", "hsct_hepatic_vod = '1'", "null", "hsct", "null"),
        ("infection", "hsct_infection = '1'", "null", "hsct", "null"),
    ):
        run(f"""
            insert into marts.adverse_events by name
            select patient_id as patient_key, '{phase}' as phase, '{term}' as term, {parent} as parent_term,
                ({grade})::integer as worst_grade
            from cohort
            where {condition}
        """)
    return marts


ROMAN = "list_position(['I', 'II', 'III', 'IV', 'V'], {})"


def resized_marts(n: int) -> Marts:
    """The reference cohort cut to its first ``n`` patients, or repeated with other follow-up times to make ``n``."""
    marts = reference_marts()
    run = marts.connection.execute
    copies = -(-n // 39)
    run("create temp table numbered as select *, row_number() over (order by patient_key) as nth from marts.patients")
    run(f"""
        create temp table chosen as
        select patient_key, patient_key || '-' || copy as new_key, copy * 39 + nth as place, copy
        from numbered cross join range({copies}) as copies(copy)
        where copy * 39 + nth <= {n}
    """)
    for table in ("patients", "outcomes", "adverse_events"):
        replaced = "new_key as patient_key"
        if table == "outcomes":
            moved = "('OS', 'EFS', 'FOLLOW_UP', 'RELAPSE', 'NON_RELAPSE_MORTALITY')"
            replaced += f", if(endpoint in {moved}, time_days + 37 * copy, time_days) as time_days"
        run(f"""
            create temp table copied as
            select * exclude (new_key, place, copy) replace ({replaced})
            from marts.{table} join chosen using (patient_key)
        """)
        run(f"create or replace table marts.{table} as from copied")
        run("drop table copied")
    return marts
