"""The dated course of a patient: each event once, on its day, with the feed of the row that dates it."""

from __future__ import annotations

from tests.dbt_project.patients.case import Case, Expectation, Value, case, no_row, row

EVENTS = "marts.events"


def _event(event_type: str, study_day: int, feed: str, **holds: Value) -> Expectation:
    return row(EVENTS, {"event_type": event_type}, study_day=study_day, source_feed=feed, **holds)


CASES: list[Case] = [
    case(
        "a whole course, event by event",
        lambda p: (
            p.marrow(10, 40)
            .marrow(14, 1)
            .mrd(20, 0.001)
            .marrow(28, 1)
            .adverse_event("CRS", 3, grade=2)
            .medication("tocilizumab", 4)
            .stay(4, 6)
            .hsct(50)
            .marrow(100, 60)
            .died(120)
        ),
        _event("infusion", 0, "cart_infusions", value=1e6, detail="CD19, course 1, fraction 1"),
        _event("complete_remission", 14, "marrow_assessments"),
        _event("mrd_negative", 20, "mrd_results"),
        _event("adverse_event", 3, "adverse_events", grade=2, detail="CRS"),
        _event("crs_treatment", 4, "medications", detail="tocilizumab"),
        _event("icu_admission", 4, "encounters"),
        _event("allo_hsct", 50, "procedures"),
        _event("subsequent_therapy", 50, "procedures", detail="bridged to HSCT"),
        _event("relapse", 100, "marrow_assessments", value=60, detail="marrow"),
        _event("death", 120, "follow_ups", detail="leukemia"),
        _event("last_contact", 120, "follow_ups"),
        no_row(EVENTS, event_type="treatment_failure"),
    ),
    case(
        "a treatment failure is dated by the marrow of its day",
        lambda p: p.marrow(14, 40).marrow(30, 45).extramedullary(30, "absent").follow_up(60),
        _event("treatment_failure", 30, "marrow_assessments"),
        _event("last_contact", 60, "follow_ups"),
        no_row(EVENTS, event_type="complete_remission"),
    ),
    case(
        "an infusion without course and fraction is the first",
        lambda p: p.infusion(0, course=None, fraction=None).follow_up(60),
        _event("infusion", 0, "cart_infusions", detail="CD19, course 1, fraction 1"),
        infused=False,
    ),
    case(
        "an adverse event without a day is none of the dated ones",
        lambda p: p.adverse_event("infection", None, grade=3).follow_up(60),
        no_row(EVENTS, event_type="adverse_event"),
    ),
    case(
        "an MRD-negative remission leads to the row of its own day: the remission's",
        lambda p: p.mrd(7, 0.001).marrow(14, 1).follow_up(60),
        _event("mrd_negative", 14, "marrow_assessments"),
    ),
    case(
        "an MRD-negative remission leads to the row of its own day: the result's",
        lambda p: p.marrow(14, 1).mrd(20, 0.001).follow_up(60),
        _event("mrd_negative", 20, "mrd_results"),
    ),
    case(
        "an MRD-negative remission leads to the row of its own day: of one day's the result",
        lambda p: p.marrow(14, 1).mrd(14, 0.001).follow_up(60),
        _event("mrd_negative", 14, "mrd_results"),
    ),
    case(
        "last contact by a clinical row leads to that row",
        lambda p: p.lab(40, "platelets", 150),
        _event("last_contact", 40, "lab_results"),
    ),
    case(
        "a visit on the cut-off is not late",
        lambda p: p.follow_up("2020-12-31"),
        no_row("intermediate.int_late_visits"),
    ),
    case(
        "a visit the day after it is",
        lambda p: p.follow_up("2021-01-01"),
        row("intermediate.int_late_visits", source_feed="follow_ups"),
    ),
]
