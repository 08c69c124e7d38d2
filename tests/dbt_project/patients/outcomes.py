"""Relapse, treatment failure, death, transplants, last contact and the times that follow from them."""

from __future__ import annotations

import datetime as dt

from tests.dbt_project.patients.case import Case, case, no_endpoint, no_row, row, time_to, yes_no

EVENTS = "marts.events"


RELAPSE: list[Case] = [
    case(
        "marrow above 5% after a remission is a relapse",
        lambda p: p.marrow(14, 1).marrow(60, 5.1).follow_up(100),
        time_to("EFS", 60, "relapse"),
        time_to("RFS", 46, "relapse"),
        time_to("DOR", 46, "relapse"),
        time_to("RELAPSE", 60, "relapse"),
        time_to("NON_RELAPSE_MORTALITY", 60, "relapse", event=False),
        time_to("OS", 100, "censored"),
        row(
            EVENTS,
            {"event_type": "relapse"},
            study_day=60,
            value=5.1,
            detail="marrow",
            source_feed="marrow_assessments",
        ),
    ),
    case(
        "marrow of exactly 5% after a remission is none",
        lambda p: p.marrow(14, 1).marrow(60, 5).follow_up(100),
        time_to("EFS", 100, "censored"),
        time_to("RELAPSE", 100, "censored"),
    ),
    case(
        "blasts in blood after a remission are a relapse",
        lambda p: p.marrow(14, 1).blood_blasts(60, 1).follow_up(100),
        time_to("EFS", 60, "relapse"),
        row(EVENTS, {"event_type": "relapse"}, detail="blood"),
    ),
    case(
        "blasts in another fluid than blood are none",
        lambda p: p.marrow(14, 1).blood_blasts(60, 30, specimen="csf").follow_up(100),
        time_to("EFS", 100, "censored"),
    ),
    case(
        "blasts of a specimen that nobody named are those of blood",
        lambda p: p.marrow(14, 1).blood_blasts(60, 30, specimen=None).follow_up(100),
        time_to("EFS", 60, "relapse"),
    ),
    case(
        "disease at a site after a remission is a relapse",
        lambda p: p.marrow(14, 1).extramedullary(60, "present", "testis").follow_up(100),
        time_to("EFS", 60, "relapse"),
        row(EVENTS, {"event_type": "relapse"}, detail="extramedullary: testis"),
    ),
    case(
        "a relapse that a visit records is dated by its own day",
        lambda p: p.marrow(14, 1).follow_up(100, disease_status="relapse", relapse=70, relapse_site="marrow"),
        time_to("EFS", 70, "relapse"),
        row(EVENTS, {"event_type": "relapse"}, detail="follow_up: marrow", source_feed="follow_ups"),
    ),
    case(
        "a relapse without a day is dated by the visit",
        lambda p: p.marrow(14, 1).follow_up(100, disease_status="relapse").follow_up(150, disease_status="relapse"),
        time_to("EFS", 100, "relapse"),
        time_to("OS", 150, "censored"),
    ),
    case(
        "a day of relapse counts whatever the status beside it",
        lambda p: p.marrow(14, 1).follow_up(100, disease_status="remission", relapse=70),
        time_to("EFS", 70, "relapse"),
    ),
    case(
        "a recorded relapse counts where response was never assessed",
        lambda p: p.follow_up(100, disease_status="relapse", relapse=70).died(120),
        time_to("EFS", 70, "relapse"),
        time_to("RELAPSE", 70, "relapse"),
        time_to("NON_RELAPSE_MORTALITY", 70, "relapse", event=False),
        time_to("OS", 120, "death"),
        yes_no("CR", False, "not_evaluable"),
    ),
    case(
        "a recorded relapse on the day of infusion is the reason for it, not an event",
        lambda p: p.follow_up(100, disease_status="relapse", relapse=0),
        time_to("EFS", 100, "censored"),
    ),
    case(
        "a recorded relapse on study day 1 is an event",
        lambda p: p.follow_up(100, disease_status="relapse", relapse=1),
        time_to("EFS", 1, "relapse"),
    ),
    case(
        "a relapse before the infusion is no event",
        lambda p: p.marrow(14, 1).follow_up(100, disease_status="remission", relapse=-200),
        time_to("EFS", 100, "censored"),
    ),
    case(
        "a recorded relapse without a remission is none: it was a treatment failure",
        lambda p: p.marrow(14, 30).follow_up(100, disease_status="relapse", relapse=20),
        time_to("EFS", 14, "treatment_failure"),
        time_to("RELAPSE", 14, "treatment_failure", event=False),
        no_row(EVENTS, event_type="relapse"),
    ),
    case(
        "a relapse recorded before the remission is none",
        lambda p: p.marrow(14, 30).marrow(40, 1).follow_up(100, disease_status="remission", relapse=30),
        time_to("EFS", 100, "censored"),
        time_to("RFS", 60, "censored"),
    ),
    case(
        "a relapse recorded for the day of remission counts",
        lambda p: p.marrow(14, 1).follow_up(100, disease_status="relapse", relapse=14),
        time_to("EFS", 14, "relapse"),
        time_to("RFS", 0, "relapse"),
        row("marts.response_by_rule", {"rule_set": "cibmtr"}, response="CR not held"),
    ),
    case(
        "of two counts of blasts on one day the worse decides",
        lambda p: p.blood_blasts(14, 0).blood_blasts(14, 8, time="18:00").marrow(14, 1).marrow(30, 1).follow_up(100),
        time_to("TIME_TO_CR", 30, "complete_remission"),
        time_to("EFS", 100, "censored"),
    ),
    case(
        "the earliest of several signs dates the relapse",
        lambda p: (
            p.marrow(14, 1).blood_blasts(70, 4).marrow(60, 9).follow_up(100, disease_status="relapse", relapse=65)
        ),
        time_to("EFS", 60, "relapse"),
    ),
    case(
        "of the signs of one day marrow is named before blood",
        lambda p: p.marrow(14, 1).blood_blasts(60, 40).marrow(60, 9).follow_up(100),
        row(EVENTS, {"event_type": "relapse"}, detail="marrow", value=9.0),
    ),
    case(
        "of the signs of one day blood is named before a site and a site before the visit",
        lambda p: (
            p.marrow(14, 1).extramedullary(60, "present").blood_blasts(60, 40).follow_up(60, disease_status="relapse")
        ),
        row(EVENTS, {"event_type": "relapse"}, detail="blood"),
    ),
    case(
        "of the signs of one day a site is named before the visit",
        lambda p: p.marrow(14, 1).extramedullary(60, "present").follow_up(60, disease_status="relapse"),
        row(EVENTS, {"event_type": "relapse"}, detail="extramedullary: cns"),
    ),
    case(
        "a relapse after the last visit still counts",
        lambda p: p.marrow(14, 1).follow_up(50).marrow(80, 30),
        time_to("EFS", 80, "relapse"),
        time_to("FOLLOW_UP", 50, "last_contact"),
    ),
]

FAILURE: list[Case] = [
    case(
        "failure is dated at the first assessment from day 28 on",
        lambda p: p.marrow(14, 30).marrow(28, 30).marrow(60, 30).died(80),
        time_to("EFS", 28, "treatment_failure"),
        time_to("OS", 80, "death"),
        time_to("RELAPSE", 28, "treatment_failure", event=False),
        time_to("NON_RELAPSE_MORTALITY", 28, "treatment_failure", event=False),
        time_to("TIME_TO_CR", 80, "censored"),
        time_to("TIME_TO_MRD_NEGATIVE", 80, "censored"),
        no_endpoint("RFS"),
        row(EVENTS, {"event_type": "treatment_failure"}, study_day=28, source_feed="marrow_assessments"),
        row("marts.patients", subsequent_therapy="none (chemoresistance)"),
    ),
    case(
        "else at the last one before",
        lambda p: p.marrow(14, 30).marrow(27, 30).died(80),
        time_to("EFS", 27, "treatment_failure"),
    ),
    case(
        "an assessment on day 27 gives way to a later one",
        lambda p: p.marrow(27, 30).marrow(60, 30).follow_up(80),
        time_to("EFS", 60, "treatment_failure"),
    ),
    case(
        "of a remission there is no failure",
        lambda p: p.marrow(28, 30).marrow(60, 1).follow_up(80),
        time_to("EFS", 80, "censored"),
        no_row(EVENTS, event_type="treatment_failure"),
    ),
    case(
        "death before the failure day: the last assessment before it is the failure",
        lambda p: p.marrow(10, 30).died(20),
        time_to("EFS", 10, "treatment_failure"),
    ),
]

DEATH: list[Case] = [
    case(
        "death in remission",
        lambda p: p.marrow(14, 1).died(50),
        time_to("EFS", 50, "death"),
        time_to("RFS", 36, "death"),
        time_to("RELAPSE", 50, "death", event=False),
        time_to("NON_RELAPSE_MORTALITY", 50, "death"),
        time_to("FOLLOW_UP", 50, "death", event=False),
        time_to("TIME_TO_MRD_NEGATIVE", 50, "censored"),
        row(EVENTS, {"event_type": "death"}, study_day=50, detail="leukemia", source_feed="follow_ups"),
        row("marts.patients", death_date=dt.date(2017, 4, 20)),
    ),
    case(
        "remission and death on the same day",
        lambda p: p.marrow(14, 1).died(14),
        yes_no("CR", True, "complete_remission"),
        time_to("EFS", 14, "death"),
        time_to("RFS", 0, "death"),
        time_to("TIME_TO_CR", 14, "complete_remission"),
    ),
    case(
        "relapse and death on the same day: the relapse came first",
        lambda p: p.marrow(14, 1).marrow(60, 30).died(60),
        time_to("EFS", 60, "relapse"),
        time_to("RELAPSE", 60, "relapse"),
        time_to("NON_RELAPSE_MORTALITY", 60, "relapse", event=False),
    ),
    case(
        "failure and death on the same day: the failure came first",
        lambda p: p.marrow(30, 30).died(30),
        time_to("EFS", 30, "treatment_failure"),
    ),
    case(
        "death on the day of infusion",
        lambda p: p.died(0),
        time_to("OS", 0, "death"),
        time_to("EFS", 0, "death"),
        row("intermediate.int_deaths", dates_disagree=False),
    ),
    case(
        "a day of death before the infusion is none",
        lambda p: p.follow_up(100, death=-5),
        time_to("OS", 100, "censored"),
    ),
    case(
        "dead at a visit, with a day of death before the infusion: the visit dates it",
        lambda p: p.died(-5, visit=100),
        time_to("OS", 100, "death"),
        row("intermediate.int_deaths", date_is_of_visit=True, dates_disagree=True),
    ),
    case(
        "of two reports the one with a day from the infusion on dates the death",
        lambda p: p.died(-5, visit=60).died(0, visit=100),
        time_to("OS", 0, "death"),
        row("intermediate.int_deaths", date_is_of_visit=False, dates_disagree=True),
    ),
    case(
        "dead at a visit of the infusion's month",
        lambda p: p.follow_up("2017-03", vital_status="dead").follow_up(-10),
        time_to("OS", 0, "death", date_imputed=True),
        infused_on=dt.date(2017, 3, 20),
    ),
    case(
        "death before the last visit: the visit adds nothing",
        lambda p: p.died(50, visit=50).follow_up(80),
        time_to("OS", 50, "death"),
        time_to("FOLLOW_UP", 50, "death", event=False),
        row("intermediate.int_last_contact", visit_after_death=True),
    ),
    case(
        "a visit on the day of death is not after it",
        lambda p: p.died(50),
        row("intermediate.int_last_contact", visit_after_death=False, basis="death"),
    ),
    case(
        "death reported at a later visit",
        lambda p: p.follow_up(30).died(50, visit=70),
        time_to("OS", 50, "death"),
    ),
    case(
        "dead without a day: dated by the visit",
        lambda p: p.follow_up(60, vital_status="dead"),
        time_to("OS", 60, "death"),
        row("intermediate.int_deaths", date_is_of_visit=True),
    ),
    case(
        "a stated day of death goes before a visit's",
        lambda p: p.follow_up(40, vital_status="dead").died(50, visit=55),
        time_to("OS", 50, "death"),
        row("intermediate.int_deaths", date_is_of_visit=False, dates_disagree=False),
    ),
    case(
        "two days of death that disagree: the earlier, flagged",
        lambda p: p.died(60, visit=70).died(50, visit=80),
        time_to("OS", 50, "death"),
        row("intermediate.int_deaths", dates_disagree=True),
    ),
    case(
        "a day of death counts whatever the status beside it",
        lambda p: p.follow_up(60, vital_status="alive", death=50),
        time_to("OS", 50, "death"),
    ),
]

TRANSPLANT: list[Case] = [
    case(
        "a transplant on the last day of the window is bridging",
        lambda p: p.marrow(14, 1).hsct(62).follow_up(200),
        yes_no("HSCT_BRIDGE", True, "hsct", event_date=dt.date(2017, 5, 2)),
        row("marts.patients", bridged_to_hsct=True, subsequent_therapy="bridged to HSCT", hsct_before_infusion=False),
        time_to("EFS", 200, "censored"),
        row(EVENTS, {"event_type": "allo_hsct"}, study_day=62),
    ),
    case(
        "a transplant one day later is not",
        lambda p: p.marrow(14, 1).hsct(63).follow_up(200),
        yes_no("HSCT_BRIDGE", False, "not_bridged", event_date=None),
        row("marts.patients", bridged_to_hsct=False, subsequent_therapy="no further therapy until relapse"),
        row("marts.patients", hsct_date=dt.date(2017, 5, 3)),
    ),
    case(
        "a transplant on the day of infusion is history",
        lambda p: p.hsct(0).follow_up(200),
        yes_no("HSCT_BRIDGE", False, "not_bridged"),
        row("marts.patients", hsct_before_infusion=True, hsct_date=None),
    ),
    case(
        "a transplant on the day of infusion is history, a later one bridging",
        lambda p: p.hsct(0).hsct(50).follow_up(200),
        yes_no("HSCT_BRIDGE", True, "hsct"),
        row("marts.patients", hsct_before_infusion=True),
    ),
    case(
        "a transplant on study day 1 is bridging", lambda p: p.hsct(1).follow_up(9), yes_no("HSCT_BRIDGE", True, "hsct")
    ),
    case(
        "a transplant before the infusion is history, a second one bridging",
        lambda p: p.marrow(14, 1).hsct(-400).hsct(50).hsct(300).follow_up(400),
        yes_no("HSCT_BRIDGE", True, "hsct"),
        row("marts.patients", hsct_before_infusion=True, hsct_date=dt.date(2017, 4, 20)),
    ),
    case(
        "an autologous transplant is none",
        lambda p: p.procedure("auto_hsct", 50).follow_up(200),
        yes_no("HSCT_BRIDGE", False, "not_bridged"),
    ),
]

THERAPY: list[Case] = [
    case(
        "a second course is repeated CAR-T",
        lambda p: p.marrow(14, 1).infusion(60, course=2).follow_up(200),
        row("marts.patients", subsequent_therapy="repeated CAR-T consolidation"),
        time_to("EFS", 200, "censored"),
    ),
    case(
        "a second fraction of the first course is none",
        lambda p: p.marrow(14, 1).infusion(1, fraction=2).follow_up(200),
        row("marts.patients", subsequent_therapy="no further therapy until relapse"),
    ),
    case(
        "an earlier course than the first is none of ours",
        lambda p: p.infusion(0, course=2).marrow(14, 1).follow_up(200),
        row("marts.patients", subsequent_therapy="no further therapy until relapse"),
    ),
    case(
        "consolidation drugs",
        lambda p: p.marrow(14, 1).medication("methotrexate", 50, purpose="consolidation").follow_up(200),
        row("marts.patients", subsequent_therapy="consolidation chemotherapy"),
    ),
    case(
        "salvage drugs after a failure",
        lambda p: p.marrow(30, 40).medication("cytarabine", 35, purpose="salvage").follow_up(200),
        row("marts.patients", subsequent_therapy="salvage chemotherapy"),
    ),
    case(
        "drugs of the day of infusion are none",
        lambda p: p.marrow(14, 1).medication("cytarabine", 0, purpose="salvage").follow_up(200),
        row("marts.patients", subsequent_therapy="no further therapy until relapse"),
    ),
    case(
        "drugs of study day 1 are",
        lambda p: p.marrow(14, 1).medication("cytarabine", 1, purpose="salvage").follow_up(200),
        row("marts.patients", subsequent_therapy="salvage chemotherapy"),
    ),
    case(
        "drugs for another purpose are none",
        lambda p: p.marrow(14, 1).medication("cyclophosphamide", 50, purpose="conditioning").follow_up(200),
        row("marts.patients", subsequent_therapy="no further therapy until relapse"),
    ),
    case(
        "the first of several therapies names it",
        lambda p: (
            p.marrow(14, 1)
            .infusion(60, course=2)
            .medication("methotrexate", 50, purpose="consolidation")
            .hsct(61)
            .follow_up(200)
        ),
        row("marts.patients", subsequent_therapy="consolidation chemotherapy"),
    ),
    case(
        "of therapies of one day the transplant names it",
        lambda p: p.marrow(14, 1).medication("methotrexate", 50, purpose="consolidation").hsct(50).follow_up(200),
        row("marts.patients", subsequent_therapy="bridged to HSCT"),
    ),
    case(
        "therapy from the day of relapse on is none",
        lambda p: p.marrow(14, 1).marrow(60, 30).medication("cytarabine", 60, purpose="salvage").follow_up(200),
        row("marts.patients", subsequent_therapy="no further therapy until relapse"),
    ),
    case(
        "therapy the day before relapse is",
        lambda p: p.marrow(14, 1).marrow(60, 30).medication("cytarabine", 59, purpose="salvage").follow_up(200),
        row("marts.patients", subsequent_therapy="salvage chemotherapy"),
    ),
    case(
        "never assessed and no therapy: unknown",
        lambda p: p.follow_up(200),
        row("marts.patients", subsequent_therapy=None),
    ),
]

CONTACT: list[Case] = [
    case(
        "the latest visit is the last contact, whatever other rows come later",
        lambda p: p.follow_up(100).follow_up(60).lab(150, "platelets", 100),
        time_to("OS", 100, "censored"),
        time_to("FOLLOW_UP", 100, "last_contact"),
        row("intermediate.int_last_contact", basis="visit"),
        row("marts.patients", last_contact_date=dt.date(2017, 6, 9)),
    ),
    case(
        "a visit on the day of infusion is a contact",
        lambda p: p.follow_up(0).lab(5, "platelets", 100),
        time_to("OS", 0, "censored"),
        row("intermediate.int_last_contact", basis="visit"),
    ),
    case(
        "without a visit the latest clinical row is",
        lambda p: p.follow_up(-10).lab(50, "platelets", 100).marrow(40, 1).vital(49, "temperature", 37),
        time_to("OS", 50, "censored"),
        row("intermediate.int_last_contact", basis="clinical row"),
    ),
    case(
        "a clinical row lasts until its end: a stay",
        lambda p: p.stay(31, 34).lab(33, "platelets", 100),
        time_to("OS", 34, "censored"),
    ),
    case(
        "a clinical row lasts until its end: a drug",
        lambda p: p.medication("imatinib", -5, until=60, purpose="maintenance").lab(33, "platelets", 100),
        time_to("OS", 60, "censored"),
    ),
    case(
        "a clinical row lasts until its end: an adverse event",
        lambda p: p.adverse_event("infection", 2, grade=2, until=45).lab(33, "platelets", 100),
        time_to("OS", 45, "censored"),
    ),
    case(
        "an end after the cut-off is planned or late: the beginning counts",
        lambda p: p.medication("imatinib", 20, until="2021-01-02", purpose="maintenance"),
        time_to("OS", 20, "censored"),
    ),
    case(
        "an end on the cut-off counts",
        lambda p: p.medication("imatinib", 20, until="2020-12-31", purpose="maintenance"),
        time_to("OS", 1401, "censored"),
    ),
    case(
        "a molecular finding is a clinical row too",
        lambda p: p.gene("PAX5", day=30),
        time_to("OS", 30, "censored"),
    ),
    case(
        "last contact before the remission: no negative time",
        lambda p: p.follow_up(10).marrow(14, 1),
        time_to("RFS", 0, "censored"),
        time_to("EFS", 10, "censored"),
        time_to("TIME_TO_CR", 14, "complete_remission"),
    ),
    case(
        "a patient without an infusion has no outcome",
        lambda p: p.follow_up(100),
        no_endpoint("OS"),
        row("marts.patients", included=False),
        infused=False,
    ),
]

CASES: list[Case] = [*RELAPSE, *FAILURE, *DEATH, *TRANSPLANT, *THERAPY, *CONTACT]
