"""Time: partial dates, the data cut-off, repeat and split infusions, events before day 0."""

from __future__ import annotations

import datetime as dt

from tests.dbt_project.patients.case import Case, case, no_row, row, time_to, yes_no

SENSITIVITY = "marts.outcome_date_sensitivity"

CASES: list[Case] = [
    case(
        "death in a month: its 15th, flagged, with the range it allows",
        lambda p: p.follow_up(20).died("2017-06", visit="2017-09-01"),
        time_to("OS", 106, "death", date_imputed=True),
        row(SENSITIVITY, {"endpoint": "OS"}, time_days=106, shortest_days=92, longest_days=121),
    ),
    case(
        "death in a year: 1 July, flagged, with the range it allows",
        lambda p: p.follow_up(20).died("2018", visit="2018-09-01"),
        time_to("OS", 487, "death", date_imputed=True),
        row(SENSITIVITY, {"endpoint": "OS"}, time_days=487, shortest_days=306, longest_days=670),
    ),
    case(
        "death in the month of the infusion was not before it",
        lambda p: p.died("2017-03", visit=40),
        time_to("OS", 0, "death", date_imputed=True),
        row(SENSITIVITY, {"endpoint": "OS"}, time_days=0, shortest_days=0, longest_days=11),
        infused_on=dt.date(2017, 3, 20),
    ),
    case(
        "death in the year of the infusion was not before it",
        lambda p: p.died("2017", visit=100),
        time_to("OS", 0, "death", date_imputed=True),
        infused_on=dt.date(2017, 9, 20),
    ),
    case(
        "death in the month after the infusion keeps its 15th",
        lambda p: p.died("2017-04", visit=40),
        time_to("OS", 26, "death", date_imputed=True),
        infused_on=dt.date(2017, 3, 20),
    ),
    case(
        "death in the month before the infusion is none",
        lambda p: p.follow_up(40, death="2017-02"),
        time_to("OS", 40, "censored"),
        infused_on=dt.date(2017, 3, 20),
    ),
    case(
        "death in the year before the infusion is none",
        lambda p: p.follow_up(40, death="2016"),
        time_to("OS", 40, "censored"),
    ),
    case(
        "a stated day before the infusion is none, though in its month",
        lambda p: p.follow_up(40, death="2017-03-10"),
        time_to("OS", 40, "censored"),
        infused_on=dt.date(2017, 3, 20),
    ),
    case(
        "relapse in a month",
        lambda p: p.marrow(14, 1).follow_up(300, disease_status="relapse", relapse="2017-08"),
        time_to("EFS", 167, "relapse", date_imputed=True),
        time_to("OS", 300, "censored", date_imputed=False),
        row(SENSITIVITY, {"endpoint": "EFS"}, shortest_days=153, longest_days=183),
        no_row(SENSITIVITY, endpoint="OS"),
    ),
    case(
        "in relapse at a visit, by the year of the remission: not before it",
        lambda p: p.marrow(28, 0).follow_up("2018-02-01", disease_status="relapse", relapse="2017"),
        time_to("EFS", 28, "relapse", date_imputed=True),
        time_to("RFS", 0, "relapse", date_imputed=True),
        row(SENSITIVITY, {"endpoint": "EFS"}, longest_days=164),
        infused_on=dt.date(2017, 7, 20),
    ),
    case(
        "in relapse at a visit, by the month of the remission: not before it",
        lambda p: p.marrow(28, 0).follow_up(60, disease_status="relapse", relapse="2017-03"),
        time_to("EFS", 28, "relapse", date_imputed=True),
    ),
    case(
        "in relapse at a visit, by the month before the remission's: none",
        lambda p: p.marrow(40, 0).follow_up(60, disease_status="relapse", relapse="2017-03"),
        time_to("EFS", 60, "censored"),
    ),
    case(
        "in relapse at a visit before the remission, by its month: none",
        lambda p: p.follow_up(27, disease_status="relapse", relapse="2017-03").marrow(28, 0).follow_up(60),
        time_to("EFS", 60, "censored"),
    ),
    case(
        "in relapse at a visit on the day of remission, by its month: one",
        lambda p: p.follow_up(28, disease_status="relapse", relapse="2017-03").marrow(28, 0).follow_up(60),
        time_to("EFS", 28, "relapse"),
    ),
    case(
        "in relapse at a visit, by the month whose last day is the remission's: one",
        lambda p: p.marrow(30, 0).follow_up(60, disease_status="relapse", relapse="2017-03"),
        time_to("EFS", 30, "relapse"),
    ),
    case(
        "in relapse at a visit, by the month that ended the day before the remission: none",
        lambda p: p.marrow(31, 0).follow_up(60, disease_status="relapse", relapse="2017-03"),
        time_to("EFS", 60, "censored"),
    ),
    case(
        "in relapse at a visit, by the year in whose December the remission was: one",
        lambda p: p.marrow(28, 0).follow_up(100, disease_status="relapse", relapse="2017"),
        time_to("EFS", 28, "relapse"),
        infused_on=dt.date(2017, 11, 20),
    ),
    case(
        "in relapse at a visit, by the year that ended before the remission: none",
        lambda p: p.marrow(28, 0).follow_up(100, disease_status="relapse", relapse="2017"),
        time_to("EFS", 100, "censored"),
        infused_on=dt.date(2017, 12, 20),
    ),
    case(
        "in remission at the visit that names a relapse by the remission's year: an earlier one",
        lambda p: p.marrow(28, 0).follow_up("2018-02-01", disease_status="remission", relapse="2017"),
        time_to("EFS", 196, "censored"),
        infused_on=dt.date(2017, 7, 20),
    ),
    case(
        "never assessed, in relapse at a visit, by the month of the infusion: the day after it at the earliest",
        lambda p: p.follow_up(60, disease_status="relapse", relapse="2017-03"),
        time_to("EFS", 1, "relapse", date_imputed=True),
        infused_on=dt.date(2017, 3, 20),
    ),
    case(
        "never assessed, in relapse at a visit, by the month before the infusion's: none",
        lambda p: p.follow_up(60, disease_status="relapse", relapse="2017-02"),
        time_to("EFS", 60, "censored"),
        infused_on=dt.date(2017, 3, 20),
    ),
    case(
        "a month is 30.4375 days",
        lambda p: p.follow_up(100),
        time_to("OS", 100, "censored", time_months=100 / 30.4375),
    ),
    case(
        "MRD that stays positive for 90 days before the infusion is refractory disease",
        lambda p: p.mrd(-95, 1).mrd(-5, 1).follow_up(100),
        row("marts.patients", refractory=True),
    ),
    case(
        "MRD that stays positive for 89 days is not",
        lambda p: p.mrd(-95, 1).mrd(-6, 1).follow_up(100),
        row("marts.patients", refractory=False),
    ),
    case(
        "an infusion in a month moves every time",
        lambda p: p.infusion("2017-03").follow_up("2017-04-15"),
        time_to("OS", 31, "censored", date_imputed=True),
        row(SENSITIVITY, {"endpoint": "OS"}, time_days=31, shortest_days=15, longest_days=45),
        infused=False,
    ),
    case(
        "an infusion in a year moves every time",
        lambda p: p.infusion("2017").follow_up("2018-01-01"),
        time_to("OS", 184, "censored", date_imputed=True),
        row(SENSITIVITY, {"endpoint": "OS"}, time_days=184, shortest_days=1, longest_days=365),
        infused=False,
    ),
    case(
        "a full date is not imputed",
        lambda p: p.died(50),
        time_to("OS", 50, "death", date_imputed=False),
        no_row(SENSITIVITY),
    ),
    case(
        "a remission in a month moves what is counted from it",
        lambda p: p.marrow("2017-04", 1).follow_up(300),
        time_to("TIME_TO_CR", 45, "complete_remission", date_imputed=True),
        time_to("RFS", 255, "censored", date_imputed=True),
        time_to("OS", 300, "censored", date_imputed=False),
        row(SENSITIVITY, {"endpoint": "RFS"}, shortest_days=240, longest_days=269),
    ),
    case(
        "MRD negative in a month, after an exact remission",
        lambda p: p.marrow(14, 1).mrd("2017-04", 0.001).follow_up(300),
        time_to("TIME_TO_MRD_NEGATIVE", 45, "mrd_negative", date_imputed=True),
    ),
    case(
        "MRD negative on the very day of a remission that is known by its month",
        lambda p: p.marrow("2017-04", 1).mrd(45, 0.001).follow_up(300),
        time_to("TIME_TO_MRD_NEGATIVE", 45, "mrd_negative", date_imputed=True),
        row("marts.events", {"event_type": "mrd_negative"}, study_day=45, source_feed="mrd_results"),
    ),
    case(
        "of a day's rows an exact one dates it",
        lambda p: p.marrow("2017-04", 1).extramedullary(45, "absent").follow_up(300),
        time_to("TIME_TO_CR", 45, "complete_remission", date_imputed=False),
    ),
    case(
        "two imputed dates of one month can't make a negative time",
        lambda p: p.infusion("2017-03").died("2017-03", visit="2017-05-01"),
        time_to("OS", 0, "death", date_imputed=True),
        row(SENSITIVITY, {"endpoint": "OS"}, shortest_days=0, longest_days=30),
        infused=False,
    ),
    case(
        "an imputed time can't be negative",
        lambda p: p.died("2017-03", visit=40),
        time_to("OS", 14, "death", date_imputed=True),
        row(SENSITIVITY, {"endpoint": "OS"}, shortest_days=0, longest_days=30),
    ),
    case(
        "an imputed date goes no further than the cut-off",
        lambda p: p.follow_up(20).died("2020-12", visit="2020-12-31"),
        time_to("OS", 1385, "death", date_imputed=True),
        row(SENSITIVITY, {"endpoint": "OS"}, longest_days=1401),
    ),
    case(
        "a visit after the cut-off is ignored",
        lambda p: p.follow_up(100).follow_up("2021-01-02", disease_status="relapse", relapse=200, death=300),
        time_to("OS", 100, "censored"),
        time_to("EFS", 100, "censored"),
    ),
    case(
        "a visit on the cut-off counts",
        lambda p: p.follow_up(100).follow_up("2020-12-31"),
        time_to("OS", 1401, "censored"),
    ),
    case(
        "a first visit after the cut-off proves that the patient lived then",
        lambda p: p.marrow(14, 1).follow_up("2021-01-03"),
        time_to("OS", 1401, "censored"),
        row("intermediate.int_last_contact", basis="alive at cut-off", last_contact_date=dt.date(2020, 12, 31)),
    ),
    case(
        "so does a death after the cut-off",
        lambda p: p.marrow(14, 1).follow_up("2021-01-03", vital_status="dead", death="2021-01-02"),
        time_to("OS", 1401, "censored"),
    ),
    case(
        "a death on the cut-off, reported later, proves nothing: the last row counts",
        lambda p: p.marrow(14, 1).follow_up("2021-01-03", vital_status="dead", death="2020-12-31"),
        time_to("OS", 14, "censored"),
        row("intermediate.int_last_contact", basis="clinical row"),
    ),
    case(
        "dead at a visit after the cut-off without a day proves nothing either",
        lambda p: p.marrow(14, 1).follow_up("2021-01-03", vital_status="dead"),
        row("intermediate.int_last_contact", basis="clinical row"),
    ),
    case(
        "a visit of unknown status after the cut-off is one of the living",
        lambda p: p.marrow(14, 1).follow_up("2021-01-03", vital_status=None),
        row("intermediate.int_last_contact", basis="alive at cut-off"),
    ),
    case(
        "a death after the cut-off in an earlier visit's row is not yet one",
        lambda p: p.follow_up(100, death="2021-01-02"),
        time_to("OS", 100, "censored"),
    ),
    case(
        "a death on the cut-off is one",
        lambda p: p.follow_up(100, death="2020-12-31"),
        time_to("OS", 1401, "death"),
    ),
    case(
        "a relapse after the cut-off is not yet one",
        lambda p: p.marrow(14, 1).follow_up(100, relapse="2021-01-01"),
        time_to("EFS", 100, "censored"),
    ),
    case(
        "a relapse on the cut-off is one",
        lambda p: p.marrow(14, 1).follow_up(100, relapse="2020-12-31"),
        time_to("EFS", 1401, "relapse"),
    ),
    case(
        "marrow after the cut-off is ignored",
        lambda p: p.marrow(14, 1).follow_up(100).marrow("2021-01-01", 80),
        time_to("EFS", 100, "censored"),
    ),
    case(
        "a repeat infusion does not move time zero",
        lambda p: p.marrow(14, 1).infusion(60, course=2).marrow(74, 1).follow_up(200),
        time_to("OS", 200, "censored"),
        time_to("TIME_TO_CR", 14, "complete_remission"),
        row("marts.patients", infusion_date=dt.date(2017, 3, 1)),
    ),
    case(
        "a split dose counts from its first fraction",
        lambda p: p.infusion(1, fraction=2).infusion(2, fraction=3).marrow(14, 1).follow_up(200),
        time_to("OS", 200, "censored"),
        row("marts.events", {"event_type": "infusion", "study_day": 2}, detail="CD19, course 1, fraction 3"),
    ),
    case(
        "marrow, blood and sites before the infusion are no response",
        lambda p: p.marrow(-20, 1).extramedullary(-20, "absent").blood_blasts(-20, 0).follow_up(100),
        yes_no("CR", False, "not_evaluable"),
        time_to("EFS", 100, "censored"),
    ),
]
