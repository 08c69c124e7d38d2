"""Six patients in hand-made marts. All were infused on 2018-01-01 but `never`, who was never infused.

- relapsed: CR on day 10, relapse (marrow) on day 100, dead on day 200; CRS grade 3 from day 0.
- transplanted: CR on day 10, transplant on day 40, alive at day 300.
- failed: no CR, treatment failure on day 28, alive at day 90.
- early_death: never assessed, dead on day 5 of CRS grade 5.
- excluded: infused and excluded; one adverse event from the day before the infusion, one undated.
- never: known, never infused.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

INFUSED = dt.date(2018, 1, 1)
EXTRACT = dt.date(2018, 12, 31)

TABLES = """
create schema marts;
create table marts.patients (
    patient_key varchar, included boolean, exclusion_reason varchar, sex varchar, age_years integer, infusion_date date,
    infusion_date_precision varchar, prior_chemotherapies integer, refractory boolean, relapsed boolean,
    marrow_blast_percent double, extramedullary_disease boolean, cns_leukemia boolean, fusion_gene varchar,
    bcr_abl1 boolean, other_fusion_gene boolean, sh2b3 boolean, pax5 boolean, other_mutation boolean, wbc double,
    hsct_before_infusion boolean, lymphodepletion_regimen varchar, flu_cy boolean, cart_target varchar,
    cells_per_kg double, complete_remission boolean, complete_remission_date date, mrd_negative boolean,
    mrd_negative_date date, best_response varchar, response_evaluable boolean, bridged_to_hsct boolean, hsct_date date,
    subsequent_therapy varchar, crs_grade integer, severe_crs boolean, hematologic_toxicity_grade integer,
    neurotoxicity boolean, infection boolean, icu_admission boolean, glucocorticoids boolean, tocilizumab boolean,
    last_contact_date date, death_date date
);
create table marts.events (
    patient_key varchar, event_type varchar, event_date date, study_day integer, value double, grade integer,
    detail varchar, source_feed varchar, source_extract date, source_file varchar, source_row bigint
);
create type sources as struct(feed varchar, "extract" date, file varchar, "row" bigint)[];
create table marts.response_assessments (
    patient_key varchar, assessed_on date, study_day integer, marrow_blast_percent double, circulating_blasts boolean,
    circulating_blast_percent double, extramedullary_disease boolean, complete_remission boolean, mrd_status varchar,
    response varchar, rule_set varchar, within_window boolean, marrow_assumed boolean, blood_assumed boolean,
    extramedullary_assumed boolean, evidence sources
);
create table marts.response_by_rule (
    patient_key varchar, rule_set varchar, chosen boolean, response varchar, complete_remission boolean,
    complete_remission_date date, study_day integer, assessed boolean, evidence sources
);
create table marts.adverse_events (
    patient_key varchar, phase varchar, term varchar, parent_term varchar, worst_grade integer, grading_scale varchar,
    first_study_day integer, without_transplant boolean, evidence sources
);
create table marts.outcomes (
    patient_key varchar, endpoint varchar, kind varchar, achieved boolean, time_days integer, time_months double,
    event boolean, event_kind varchar, event_date date, reason varchar, date_imputed boolean, evidence sources
);
"""


def day(number: int) -> dt.date:
    return INFUSED + dt.timedelta(days=number)


def sources(*rows: tuple[str, int]) -> list[dict[str, Any]]:
    return [{"feed": feed, "extract": EXTRACT, "file": f"{feed}.csv", "row": row} for feed, row in rows]


def add(connection: duckdb.DuckDBPyConnection, table: str, **values: Any) -> None:
    places = ", ".join(["?"] * len(values))
    connection.execute(f"insert into marts.{table} ({', '.join(values)}) values ({places})", list(values.values()))


def add_event(
    connection: duckdb.DuckDBPyConnection, patient: str, kind: str, on: int, source: tuple[str, int], **values: Any
) -> None:
    feed, row = source
    add(
        connection, "events", patient_key=patient, event_type=kind, event_date=day(on), study_day=on,
        source_feed=feed, source_extract=EXTRACT, source_file=f"{feed}.csv", source_row=row, **values,
    )  # fmt: skip


def add_time(
    connection: duckdb.DuckDBPyConnection, patient: str, endpoint: str, until: int, event: bool, kind: str,
    evidence: list[dict[str, Any]], origin: int = 0, reason: str | None = None,
) -> None:  # fmt: skip
    days = until - origin
    add(
        connection, "outcomes", patient_key=patient, endpoint=endpoint, kind="time_to_event", time_days=days,
        time_months=days / 30.4375, event=event, event_kind=kind, event_date=day(until), reason=reason or kind,
        date_imputed=False, evidence=evidence,
    )  # fmt: skip


@pytest.fixture
def marts() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute(TABLES)
    for position, (key, included) in enumerate(
        [("relapsed", True), ("transplanted", True), ("failed", True), ("early_death", True), ("excluded", False)],
        start=1,
    ):
        remission = key in ("relapsed", "transplanted")
        add(
            connection, "patients", patient_key=key, included=included,
            exclusion_reason=None if included else "no follow-up", sex="F" if position % 2 else "M",
            age_years=10 * position, infusion_date=INFUSED,
            infusion_date_precision="month" if key == "failed" else "day", relapsed=True, refractory=key == "failed",
            cart_target="CD19", complete_remission=remission if included else None,
            complete_remission_date=day(10) if remission else None, response_evaluable=key != "early_death",
            bridged_to_hsct=key == "transplanted", hsct_date=day(40) if key == "transplanted" else None,
            death_date={"relapsed": day(200), "early_death": day(5)}.get(key),
            last_contact_date=day({"relapsed": 200, "transplanted": 300, "failed": 90, "early_death": 5}.get(key, 0)),
            crs_grade={"relapsed": 3, "early_death": 5}.get(key, 0),
        )  # fmt: skip
        add_event(connection, key, "infusion", 0, ("cart_infusions", position), detail="CD19, course 1, fraction 1")
    add(connection, "patients", patient_key="never", included=False, exclusion_reason="no dated first CAR-T infusion")

    infusion, remission = ("cart_infusions", 1), ("marrow_assessments", 11)
    add_event(connection, "relapsed", "complete_remission", 10, remission)
    add_event(connection, "relapsed", "relapse", 100, ("marrow_assessments", 12), value=40.0, detail="marrow")
    add_event(connection, "relapsed", "death", 200, ("follow_ups", 13), detail="leukemia\tand\nsepsis")
    add_event(connection, "relapsed", "last_contact", 200, ("follow_ups", 13))
    add_event(connection, "relapsed", "adverse_event", 0, ("adverse_events", 14), grade=3, detail="CRS")
    add_event(connection, "relapsed", "crs_treatment", 2, ("medications", 15), value=8.0, detail="tocilizumab mg/kg")
    relapse_rows = sources(infusion, remission, ("marrow_assessments", 12))
    add_time(connection, "relapsed", "EFS", 100, True, "relapse", relapse_rows)
    add_time(connection, "relapsed", "OS", 200, True, "death", sources(infusion, ("follow_ups", 13)))
    add_time(connection, "relapsed", "RFS", 100, True, "relapse", relapse_rows, origin=10)
    add_time(connection, "relapsed", "NON_RELAPSE_MORTALITY", 100, False, "relapse", relapse_rows)
    add_time(connection, "relapsed", "FOLLOW_UP", 200, False, "death", sources(infusion, ("follow_ups", 13)))

    infusion, contact = ("cart_infusions", 2), ("follow_ups", 22)
    add_event(connection, "transplanted", "complete_remission", 10, ("extramedullary_assessments", 21))
    add_event(connection, "transplanted", "allo_hsct", 40, ("procedures", 23), detail="matched sibling")
    add_event(connection, "transplanted", "subsequent_therapy", 40, ("procedures", 23), detail="bridged to HSCT")
    add_event(connection, "transplanted", "subsequent_therapy", 60, ("medications", 24), detail="salvage chemotherapy")
    add_event(connection, "transplanted", "last_contact", 300, contact)
    add_event(connection, "transplanted", "last_contact", 300, ("follow_ups", 9))  # not what decided: not in evidence
    add_time(connection, "transplanted", "OS", 300, False, "censored", sources(infusion, contact))
    add_time(connection, "transplanted", "EFS", 40, False, "censored", sources(infusion, ("procedures", 23)))
    add_time(connection, "transplanted", "TIME_TO_CR", 10, True, "complete_remission", sources(infusion))

    infusion = ("cart_infusions", 3)
    add_event(connection, "failed", "treatment_failure", 28, ("marrow_assessments", 31))
    add_time(connection, "failed", "EFS", 28, True, "treatment_failure", sources(infusion, ("marrow_assessments", 31)))
    add_time(connection, "failed", "OS", 90, False, "censored", sources(infusion, ("follow_ups", 32)))
    add_time(connection, "failed", "RELAPSE", 28, False, "treatment_failure", sources(("marrow_assessments", 31)))

    infusion = ("cart_infusions", 4)
    death = sources(infusion, ("follow_ups", 41))
    add_event(connection, "early_death", "death", 5, ("follow_ups", 41), detail="CRS")
    add_event(connection, "early_death", "last_contact", 5, ("follow_ups", 41))
    add_time(connection, "early_death", "OS", 5, True, "death", death)
    add_time(connection, "early_death", "EFS", 5, True, "death", death)
    add_time(connection, "early_death", "TIME_TO_CR", 5, False, "censored", death)
    add(connection, "outcomes", patient_key="relapsed", endpoint="CR", kind="binary", achieved=True, evidence=[])

    add(
        connection, "response_assessments", patient_key="relapsed", assessed_on=day(10), study_day=10,
        marrow_blast_percent=1.5, circulating_blasts=False, circulating_blast_percent=0.0, complete_remission=True,
        response="CR", rule_set="paper", within_window=True, marrow_assumed=False, blood_assumed=False,
        extramedullary_assumed=True, evidence=sources(("lab_results", 7), remission),
    )  # fmt: skip
    add(
        connection, "response_assessments", patient_key="relapsed", assessed_on=day(100), study_day=100,
        marrow_blast_percent=40.0, extramedullary_disease=True, complete_remission=False, mrd_status="positive",
        response="NR", rule_set="paper", within_window=False,
        evidence=sources(("extramedullary_assessments", 5), ("marrow_assessments", 12), ("mrd_results", 6)),
    )  # fmt: skip
    for rule_set, response in (("paper", "CR"), ("eln", "CRi"), ("cibmtr", "CR not held")):
        add(
            connection, "response_by_rule", patient_key="relapsed", rule_set=rule_set, chosen=rule_set == "paper",
            response=response, complete_remission=rule_set == "paper", study_day=10 if rule_set == "paper" else None,
            complete_remission_date=day(10) if rule_set == "paper" else None, assessed=True,
            evidence=sources(("lab_results", 7), remission),
        )  # fmt: skip

    for patient, phase, term, parent, grade, first_day in (
        ("relapsed", "cart", "CRS", None, 3, 0),
        ("relapsed", "cart", "fever", "CRS", 2, 1),
        ("relapsed", "hsct", "GVHD", None, None, 120),
        ("early_death", "cart", "CRS", None, 5, 2),
        ("excluded", "cart", "infection", None, 2, -1),
        ("excluded", "cart", "neurotoxicity", None, 1, None),
    ):
        add(
            connection, "adverse_events", patient_key=patient, phase=phase, term=term, parent_term=parent,
            worst_grade=grade, grading_scale="CTCAE5", first_study_day=first_day, without_transplant=phase == "hsct",
            evidence=sources(("adverse_events", 14), ("adverse_events", 16)),
        )  # fmt: skip
    yield connection
    connection.close()
