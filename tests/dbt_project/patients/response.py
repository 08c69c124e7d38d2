"""Response: complete remission, what is near, MRD, rule sets. Study days count from the infusion."""

from __future__ import annotations

from tests.dbt_project.patients.case import Case, RowsOf, case, no_endpoint, no_row, row, time_to, yes_no

ASSESSED = "marts.response_assessments"
BY_RULE = "marts.response_by_rule"


def _cr(day: int) -> tuple:
    return (yes_no("CR", True, "complete_remission"), time_to("TIME_TO_CR", day, "complete_remission"))


NO_CR = yes_no("CR", False, "no_remission")

REMISSION: list[Case] = [
    case(
        "marrow of 4.9% blasts is a remission",
        lambda p: p.marrow(14, 4.9).follow_up(100),
        *_cr(14),
        row(ASSESSED, study_day=14, marrow_blast_percent=4.9, complete_remission=True, response="CR"),
        row(ASSESSED, marrow_assumed=False, blood_assumed=True, extramedullary_assumed=True, within_window=True),
    ),
    case(
        "marrow of exactly 5% blasts is none, and a treatment failure",
        lambda p: p.marrow(30, 5).follow_up(100),
        NO_CR,
        time_to("EFS", 30, "treatment_failure"),
        row(ASSESSED, complete_remission=False, response="NR"),
        row("marts.patients", complete_remission=False, best_response="no remission", response_evaluable=True),
    ),
    case(
        "a remission on the last day of the window counts",
        lambda p: p.marrow(90, 1).follow_up(200),
        *_cr(90),
        row(ASSESSED, within_window=True),
        row(BY_RULE, {"rule_set": "paper"}, response="CR", complete_remission=True, study_day=90),
    ),
    case(
        "a remission one day after the window does not count",
        lambda p: p.marrow(91, 1).follow_up(200),
        NO_CR,
        time_to("EFS", 91, "treatment_failure"),
        row(ASSESSED, complete_remission=True, within_window=False),
        row(BY_RULE, {"rule_set": "paper"}, response="NR", complete_remission=False, assessed=True, chosen=True),
    ),
    case(
        "marrow on the day of infusion is baseline, not response",
        lambda p: p.marrow(0, 1).follow_up(100),
        yes_no("CR", False, "not_evaluable"),
        time_to("EFS", 100, "censored"),
        no_row(ASSESSED),
        row("marts.patients", best_response="not evaluable", response_evaluable=False),
    ),
    case("marrow on study day 1 is response", lambda p: p.marrow(1, 1).marrow(20, 1).follow_up(100), *_cr(1)),
    case(
        "marrow without a figure is no assessment",
        lambda p: p.marrow(14, None).follow_up(100),
        yes_no("CR", False, "not_evaluable"),
        no_row(ASSESSED),
    ),
    case(
        "never assessed is not evaluable and no treatment failure",
        lambda p: p.follow_up(100),
        yes_no("CR", False, "not_evaluable"),
        yes_no("MRD_NEGATIVE_CR", False, "not_evaluable"),
        yes_no("MRD_POSITIVE_CR", False, "not_evaluable"),
        time_to("EFS", 100, "censored"),
        time_to("TIME_TO_CR", 100, "censored"),
        no_endpoint("RFS"),
        no_endpoint("DOR"),
        row(BY_RULE, {"rule_set": "eln"}, response="not evaluable", assessed=False, chosen=False),
    ),
    case(
        "first of several remissions",
        lambda p: p.marrow(14, 20).marrow(21, 2).marrow(28, 1).follow_up(100),
        *_cr(21),
        time_to("RFS", 79, "censored"),
    ),
]

NEARBY: list[Case] = [
    case(
        "circulating blasts on the same day forbid a remission",
        lambda p: p.marrow(14, 2).blood_blasts(14, 1).marrow(40, 2).follow_up(100),
        *_cr(40),
        row(ASSESSED, {"study_day": 14}, circulating_blasts=True, circulating_blast_percent=1.0, blood_assumed=False),
    ),
    case(
        "no blasts in blood allow it",
        lambda p: p.marrow(14, 2).blood_blasts(14, 0).follow_up(100),
        *_cr(14),
        row(ASSESSED, circulating_blasts=False, blood_assumed=False),
    ),
    case(
        "fewer than 1% of blasts in blood show none",
        lambda p: p.marrow(14, 2).blood_blasts(14, "<1").follow_up(100),
        *_cr(14),
    ),
    case(
        "more than 0% of blasts in blood show some",
        lambda p: p.marrow(14, 2).blood_blasts(14, ">0").marrow(40, 2).follow_up(100),
        *_cr(40),
    ),
    case(
        "blasts in blood 7 days before speak",
        lambda p: p.blood_blasts(7, 3).marrow(14, 2).marrow(40, 2).follow_up(100),
        *_cr(40),
    ),
    case(
        "blasts in blood 8 days before do not",
        lambda p: p.blood_blasts(6, 3).marrow(14, 2).follow_up(100),
        *_cr(14),
        row(ASSESSED, blood_assumed=True, circulating_blasts=None),
    ),
    case(
        "blasts in blood 7 days after speak",
        lambda p: p.marrow(14, 2).blood_blasts(21, 3).marrow(40, 2).follow_up(100),
        *_cr(40),
    ),
    case(
        "the nearer count of blasts decides",
        lambda p: p.blood_blasts(10, 3).marrow(14, 2).blood_blasts(15, 0).follow_up(100),
        *_cr(14),
    ),
    case(
        "of two equally near counts of blasts the worse decides",
        lambda p: p.blood_blasts(12, 3).marrow(14, 2).blood_blasts(16, 0).marrow(40, 2).follow_up(100),
        *_cr(40),
        row(ASSESSED, {"study_day": 14}, circulating_blast_percent=3.0),
    ),
    case(
        "of two counts with blasts equally near the higher is shown",
        lambda p: p.blood_blasts(13, 2).marrow(14, 2).blood_blasts(15, 6).marrow(40, 2).follow_up(100),
        row(ASSESSED, {"study_day": 14}, circulating_blast_percent=6.0),
    ),
    case(
        "disease outside the marrow forbids a remission",
        lambda p: p.marrow(14, 2).extramedullary(14, "present").marrow(40, 2).follow_up(100),
        *_cr(40),
        row(ASSESSED, {"study_day": 14}, extramedullary_disease=True, extramedullary_assumed=False),
    ),
    case(
        "another site that is free does not undo it",
        lambda p: (
            p.marrow(14, 2).extramedullary(12, "present", "testis").extramedullary(14, "absent", "cns").marrow(40, 1)
        ),
        *_cr(40),
    ),
    case(
        "the nearest look at a site decides",
        lambda p: p.extramedullary(8, "present").marrow(14, 2).extramedullary(15, "absent").follow_up(100),
        row(ASSESSED, {"study_day": 14}, extramedullary_disease=False, complete_remission=True),
    ),
    case(
        "of two equally near looks at a site presence decides",
        lambda p: p.extramedullary(12, "present").marrow(14, 2).extramedullary(16, "absent").follow_up(100),
        row(ASSESSED, {"study_day": 14}, extramedullary_disease=True),
    ),
    case(
        "disease outside the marrow 7 days before speaks",
        lambda p: p.extramedullary(7, "present").marrow(14, 2).follow_up(100),
        row(ASSESSED, {"study_day": 14}, extramedullary_disease=True, complete_remission=False),
    ),
    case(
        "disease outside the marrow 8 days before does not",
        lambda p: p.extramedullary(6, "present").marrow(14, 2).follow_up(100),
        row(ASSESSED, {"study_day": 14}, extramedullary_disease=None, complete_remission=True),
    ),
    case(
        "a look outside the marrow without a finding says nothing",
        lambda p: p.extramedullary(14, None).marrow(20, 2).follow_up(100),
        *_cr(20),
        row(ASSESSED, study_day=20, extramedullary_assumed=True),
    ),
    case(
        "an assessment without marrow takes the nearest within 7 days",
        lambda p: p.marrow(7, 40).extramedullary(14, "absent").follow_up(100),
        row(ASSESSED, {"study_day": 14}, marrow_blast_percent=40.0, marrow_assumed=False, complete_remission=False),
    ),
    case(
        "without marrow within 7 days its part counts as met",
        lambda p: p.marrow(6, 40).extramedullary(14, "absent").follow_up(100),
        row(ASSESSED, {"study_day": 14}, marrow_blast_percent=None, marrow_assumed=True, complete_remission=True),
        *_cr(14),
    ),
    case(
        "of two equally near marrows the worse decides",
        lambda p: p.marrow(12, 40).extramedullary(14, "absent").marrow(16, 1).follow_up(100),
        row(ASSESSED, {"study_day": 14}, marrow_blast_percent=40.0),
    ),
    case(
        "the nearer marrow decides",
        lambda p: p.marrow(10, 40).extramedullary(14, "absent").marrow(16, 1).follow_up(100),
        row(ASSESSED, {"study_day": 14}, marrow_blast_percent=1.0),
    ),
    case(
        "blasts in blood alone are no assessment",
        lambda p: p.blood_blasts(14, 0).follow_up(100),
        yes_no("CR", False, "not_evaluable"),
    ),
]

MRD: list[Case] = [
    case(
        "0.0099% by flow is MRD negative",
        lambda p: p.marrow(14, 1).mrd(14, 0.0099).follow_up(100),
        yes_no("MRD_NEGATIVE_CR", True, "mrd_negative"),
        yes_no("MRD_POSITIVE_CR", False, "mrd_negative"),
        time_to("TIME_TO_MRD_NEGATIVE", 14, "mrd_negative"),
        row(ASSESSED, mrd_status="negative"),
        row("marts.patients", mrd_negative=True, best_response="MRD-negative CR"),
    ),
    case(
        "exactly 0.01% by flow is MRD positive",
        lambda p: p.marrow(14, 1).mrd(14, 0.01).follow_up(100),
        yes_no("MRD_NEGATIVE_CR", False, "mrd_positive"),
        yes_no("MRD_POSITIVE_CR", True, "mrd_positive"),
        time_to("TIME_TO_MRD_NEGATIVE", 100, "censored"),
        row(ASSESSED, mrd_status="positive"),
        row("marts.patients", mrd_negative=False, best_response="MRD-positive CR"),
    ),
    case(
        "<0.01% by flow is MRD negative, whatever the laboratory wrote beside it",
        lambda p: p.marrow(14, 1).mrd(14, "<0.01", result="positive").follow_up(100),
        yes_no("MRD_NEGATIVE_CR", True, "mrd_negative"),
    ),
    case(
        "<=0.01% leaves it open: the laboratory's verdict counts",
        lambda p: p.marrow(14, 1).mrd(14, "<=0.01", result="negative").follow_up(100),
        yes_no("MRD_NEGATIVE_CR", True, "mrd_negative"),
    ),
    case(
        "<0.1% leaves it open: the laboratory's verdict counts",
        lambda p: p.marrow(14, 1).mrd(14, "<0.1", result="positive").follow_up(100),
        row(ASSESSED, mrd_status="positive"),
        yes_no("MRD_NEGATIVE_CR", False, "mrd_positive"),
    ),
    case(
        "<0.1% without a verdict says nothing",
        lambda p: p.marrow(14, 1).mrd(14, "<0.1").follow_up(100),
        row(ASSESSED, mrd_status=None),
        yes_no("MRD_NEGATIVE_CR", False, "mrd_positive"),
    ),
    case(
        "<0.0105% leaves it open too",
        lambda p: p.marrow(14, 1).mrd(14, "<0.0105", result="positive").follow_up(100),
        row(ASSESSED, mrd_status="positive"),
    ),
    case(
        ">0.0095% leaves it open",
        lambda p: p.marrow(14, 1).mrd(14, ">0.0095", result="negative").follow_up(100),
        row(ASSESSED, mrd_status="negative"),
    ),
    case(
        ">=0.01% by flow is MRD positive",
        lambda p: p.marrow(14, 1).mrd(14, ">=0.01", result="negative").follow_up(100),
        row(ASSESSED, mrd_status="positive"),
    ),
    case(
        ">0.001% by flow leaves it open: the laboratory's verdict counts",
        lambda p: p.marrow(14, 1).mrd(14, ">0.001", result="negative").follow_up(100),
        row(ASSESSED, mrd_status="negative"),
    ),
    case(
        "flow without a figure goes by the laboratory's verdict",
        lambda p: p.marrow(14, 1).mrd(14, result="negative").follow_up(100),
        yes_no("MRD_NEGATIVE_CR", True, "mrd_negative"),
    ),
    case(
        "a fusion transcript that was positive and turned negative is MRD negative",
        lambda p: (
            p.mrd(-20, 1.5, method="qpcr", target="BCR/ABL1", result="positive")
            .marrow(14, 1)
            .mrd(14, 0, method="qpcr", target="BCR/ABL1", result="negative")
            .follow_up(100)
        ),
        yes_no("MRD_NEGATIVE_CR", True, "mrd_negative"),
    ),
    case(
        "a fusion transcript that was never positive did not turn negative",
        lambda p: p.marrow(14, 1).mrd(14, 0, method="qpcr", target="BCR/ABL1", result="negative").follow_up(100),
        yes_no("MRD_NEGATIVE_CR", False, "mrd_positive"),
        row(ASSESSED, mrd_status=None),
    ),
    case(
        "another transcript's positivity does not count",
        lambda p: (
            p.mrd(-20, 1.5, method="qpcr", target="MLL/AF4", result="positive")
            .marrow(14, 1)
            .mrd(14, 0, method="qpcr", target="BCR/ABL1", result="negative")
            .follow_up(100)
        ),
        yes_no("MRD_NEGATIVE_CR", False, "mrd_positive"),
    ),
    case(
        "a later positivity does not count either",
        lambda p: (
            p.marrow(14, 1)
            .mrd(14, 0, method="qpcr", target="BCR/ABL1", result="negative")
            .mrd(20, 1, method="qpcr", target="BCR/ABL1", result="positive")
            .follow_up(100)
        ),
        yes_no("MRD_NEGATIVE_CR", False, "mrd_positive"),
    ),
    case(
        "the same transcript by another of its names",
        lambda p: (
            p.mrd(-20, 1.5, method="qpcr", target="BCR::ABL1", result="positive")
            .marrow(14, 1)
            .mrd(14, 0, method="qpcr", target="t(9;22)", result="negative")
            .follow_up(100)
        ),
        yes_no("MRD_NEGATIVE_CR", True, "mrd_negative"),
    ),
    case(
        "a fusion that the seed does not know is one",
        lambda p: (
            p.mrd(-20, 1.5, method="qpcr", target="NUP214/ABL1", result="positive")
            .marrow(14, 1)
            .mrd(14, 0, method="qpcr", target="NUP214-ABL1", result="negative")
            .follow_up(100)
        ),
        yes_no("MRD_NEGATIVE_CR", True, "mrd_negative"),
    ),
    case(
        "one gene's transcript is no fusion",
        lambda p: (
            p.mrd(-20, 1.5, method="qpcr", target="WT1", result="positive")
            .marrow(14, 1)
            .mrd(14, 0, method="qpcr", target="WT1", result="negative")
            .follow_up(100)
        ),
        yes_no("MRD_NEGATIVE_CR", False, "mrd_positive"),
        row(ASSESSED, mrd_status=None),
    ),
    case(
        "a transcript that nobody named is the fusion's",
        lambda p: (
            p.mrd(-20, 1.5, method="qpcr", result="positive")
            .marrow(14, 1)
            .mrd(14, 0, method="qpcr", result="negative")
            .follow_up(100)
        ),
        yes_no("MRD_NEGATIVE_CR", True, "mrd_negative"),
    ),
    case(
        "a transcript without a verdict is positive above 0 and negative at 0",
        lambda p: (
            p.mrd(-20, 0.1, method="qpcr", target="BCR/ABL1")
            .marrow(14, 1)
            .mrd(14, 0, method="qpcr", target="BCR/ABL1")
            .follow_up(100)
        ),
        yes_no("MRD_NEGATIVE_CR", True, "mrd_negative"),
    ),
    case(
        "a transcript of <0.001 without a verdict is negative",
        lambda p: (
            p.mrd(13, 0.1, method="qpcr", target="BCR/ABL1")
            .marrow(14, 1)
            .mrd(14, "<0.001", method="qpcr", target="BCR/ABL1")
            .follow_up(100)
        ),
        yes_no("MRD_NEGATIVE_CR", True, "mrd_negative"),
    ),
    case(
        "positive and negative on one day has not turned negative",
        lambda p: (
            p.marrow(14, 1)
            .mrd(14, 0, method="qpcr", target="BCR/ABL1", result="negative")
            .mrd(14, 1, method="qpcr", target="BCR/ABL1", result="positive")
            .follow_up(100)
        ),
        yes_no("MRD_NEGATIVE_CR", False, "mrd_positive"),
    ),
    case(
        "MRD negative before the remission counts from the remission on",
        lambda p: p.marrow(14, 10).mrd(14, 0.001).marrow(30, 1).follow_up(100),
        yes_no("MRD_NEGATIVE_CR", True, "mrd_negative"),
        time_to("TIME_TO_MRD_NEGATIVE", 30, "mrd_negative"),
    ),
    case(
        "MRD negative after the remission counts from its own day",
        lambda p: p.marrow(14, 1).mrd(14, 0.5).marrow(40, 1).mrd(40, 0.001).follow_up(100),
        time_to("TIME_TO_MRD_NEGATIVE", 40, "mrd_negative"),
        time_to("TIME_TO_CR", 14, "complete_remission"),
    ),
    case(
        "MRD negative on the day of infusion counts",
        lambda p: p.mrd(0, 0.001).marrow(14, 1).follow_up(100),
        yes_no("MRD_NEGATIVE_CR", True, "mrd_negative"),
    ),
    case(
        "MRD negative before the infusion does not",
        lambda p: p.mrd(-1, 0.001).marrow(14, 1).follow_up(100),
        yes_no("MRD_NEGATIVE_CR", False, "mrd_positive"),
    ),
    case(
        "MRD negative on the last day of the window counts",
        lambda p: p.marrow(14, 1).mrd(90, 0.001).follow_up(100),
        yes_no("MRD_NEGATIVE_CR", True, "mrd_negative"),
    ),
    case(
        "MRD negative one day after the window does not",
        lambda p: p.marrow(14, 1).mrd(91, 0.001).follow_up(100),
        yes_no("MRD_NEGATIVE_CR", False, "mrd_positive"),
    ),
    case(
        "MRD negative without a remission is none",
        lambda p: p.marrow(14, 20).mrd(14, 0.001).follow_up(100),
        yes_no("MRD_NEGATIVE_CR", False, "no_remission"),
        yes_no("MRD_POSITIVE_CR", False, "no_remission"),
    ),
    case(
        "MRD of 7 days away speaks for an assessment",
        lambda p: p.marrow(14, 1).mrd(21, 0.001).follow_up(100),
        row(ASSESSED, mrd_status="negative"),
    ),
    case(
        "MRD of 8 days away does not",
        lambda p: p.marrow(14, 1).mrd(22, 0.001).follow_up(100),
        row(ASSESSED, mrd_status=None),
    ),
    case(
        "the nearer MRD speaks",
        lambda p: p.marrow(14, 1).mrd(13, 0.001).mrd(17, 0.5).follow_up(100),
        row(ASSESSED, mrd_status="negative"),
    ),
    case(
        "of two equally near MRD the worse speaks",
        lambda p: p.marrow(14, 1).mrd(12, 0.001).mrd(16, 0.5).follow_up(100),
        row(ASSESSED, mrd_status="positive"),
    ),
    case(
        "negative by flow and positive by qPCR on one day is negative",
        lambda p: p.marrow(14, 1).mrd(14, 0.001).mrd(14, 0.2, method="qpcr", target="BCR/ABL1").follow_up(100),
        row(ASSESSED, mrd_status="negative"),
        yes_no("MRD_NEGATIVE_CR", True, "mrd_negative"),
    ),
]


def _counts(neutrophils: float | str | None, platelets: float | str | None, *, day: int = 14):
    def life(patient):
        patient.marrow(14, 1).follow_up(100)
        if neutrophils is not None:
            patient.lab(day, "neutrophils", neutrophils)
        if platelets is not None:
            patient.lab(day, "platelets", platelets)
        return patient

    return life


def _eln(response: str):
    return row(BY_RULE, {"rule_set": "eln"}, response=response, complete_remission=response == "CR")


RULE_SETS: list[Case] = [
    case("ELN: both counts above their bounds are CR", _counts(1.01, 101), _eln("CR")),
    case(
        "ELN shows the counts that it rests on, the paper's rule the marrow alone",
        _counts(1.01, 101),
        row(BY_RULE, {"rule_set": "eln"}, evidence=RowsOf("marrow_assessments", "lab_results", "lab_results")),
        row(BY_RULE, {"rule_set": "paper"}, evidence=RowsOf("marrow_assessments")),
    ),
    case("ELN: neutrophils of exactly 1.0 are no CR", _counts(1.0, 101), _eln("CRh")),
    case("ELN: platelets of exactly 100 are no CR", _counts(1.01, 100), _eln("CRh")),
    case("ELN: both counts exactly at the lower bounds are CRh", _counts(0.5, 50), _eln("CRh")),
    case("ELN: neutrophils below the lower bound are no CRh", _counts(0.49, 101), _eln("CRi")),
    case("ELN: platelets below the lower bound are no CRh", _counts(1.01, 49), _eln("CRi")),
    case("ELN: both below the lower bounds are MLFS", _counts(0.49, 49), _eln("MLFS")),
    case("ELN: neutrophils low and platelets between are MLFS", _counts(0.49, 60), _eln("MLFS")),
    case("ELN: counts that nobody measured are MLFS", _counts(None, None), _eln("MLFS")),
    case("ELN: one count measured and recovered is CRi", _counts(2, None), _eln("CRi")),
    case("ELN: >1.0 neutrophils are above 1.0", _counts(">1.0", 101), _eln("CR")),
    case("ELN: >100 platelets are above 100", _counts(1.01, ">100"), _eln("CR")),
    case("ELN: >0.9 neutrophils are not surely above 1.0", _counts(">0.9", 101), _eln("CRh")),
    case("ELN: >90 platelets are not surely above 100", _counts(1.01, ">90"), _eln("CRh")),
    case("ELN: <0.5 neutrophils are not at 0.5", _counts("<0.5", 60), _eln("MLFS")),
    case("ELN: <50 platelets are not at 50", _counts(0.6, "<50"), _eln("MLFS")),
    case("ELN: counts 7 days away speak", _counts(2, 200, day=21), _eln("CR")),
    case("ELN: counts 8 days away do not", _counts(2, 200, day=22), _eln("MLFS")),
    case(
        "ELN: the nearer counts speak",
        lambda p: _counts(0.1, 10, day=10)(p).lab(15, "neutrophils", 2).lab(15, "platelets", 200),
        _eln("CR"),
    ),
    case(
        "ELN: of counts equally near the lower speaks",
        lambda p: _counts(0.1, 10, day=12)(p).lab(16, "neutrophils", 2).lab(16, "platelets", 200),
        _eln("MLFS"),
    ),
    case(
        "ELN: leukaemia is no response",
        lambda p: p.marrow(14, 20).lab(14, "neutrophils", 2).lab(14, "platelets", 200).follow_up(100),
        _eln("NR"),
    ),
    case(
        "ELN: the best response of the window counts, from its own day",
        lambda p: (
            p.marrow(14, 1)
            .marrow(30, 1)
            .marrow(60, 1)
            .lab(30, "neutrophils", 2)
            .lab(30, "platelets", 200)
            .follow_up(100)
        ),
        row(BY_RULE, {"rule_set": "eln"}, response="CR", study_day=30),
        row(BY_RULE, {"rule_set": "paper"}, response="CR", study_day=14),
    ),
    case(
        "ELN: neutrophils per microlitre are converted",
        lambda p: p.marrow(14, 1).lab(14, "neutrophils", 2000, unit="/uL").lab(14, "platelets", 200).follow_up(100),
        _eln("CR"),
    ),
    case(
        "CIBMTR: relapse on day 28 of the remission was held",
        lambda p: p.marrow(14, 1).marrow(42, 30).follow_up(100),
        row(BY_RULE, {"rule_set": "cibmtr"}, response="CR", complete_remission=True, study_day=14),
    ),
    case(
        "CIBMTR: relapse on day 27 of the remission was not held",
        lambda p: p.marrow(14, 1).marrow(41, 30).follow_up(100),
        row(BY_RULE, {"rule_set": "cibmtr"}, response="CR not held", complete_remission=False, study_day=None),
    ),
    case(
        "CIBMTR: death on day 27 of the remission was not held",
        lambda p: p.marrow(14, 1).died(41),
        row(BY_RULE, {"rule_set": "cibmtr"}, response="CR not held"),
    ),
    case(
        "CIBMTR: death on day 28 of the remission was held",
        lambda p: p.marrow(14, 1).died(42),
        row(BY_RULE, {"rule_set": "cibmtr"}, response="CR"),
    ),
    case(
        "CIBMTR: a remission seen for 27 days only is not shown to have held",
        lambda p: p.marrow(14, 1).follow_up(41),
        row(BY_RULE, {"rule_set": "cibmtr"}, response="CR not held"),
    ),
    case(
        "CIBMTR: a remission seen for 28 days by visits has held",
        lambda p: p.marrow(14, 1).follow_up(42),
        row(BY_RULE, {"rule_set": "cibmtr"}, response="CR"),
    ),
    case(
        "CIBMTR: a remission seen for 28 days by marrow has held",
        lambda p: p.marrow(14, 1).marrow(42, 1).follow_up(20),
        row(BY_RULE, {"rule_set": "cibmtr"}, response="CR"),
    ),
    case(
        "CIBMTR: leukaemia before the remission does not break it",
        lambda p: p.marrow(10, 40).marrow(20, 1).follow_up(100),
        row(BY_RULE, {"rule_set": "cibmtr"}, response="CR", study_day=20),
    ),
    case(
        "CIBMTR: leukaemia at the assessment is no response",
        lambda p: p.marrow(14, 20).follow_up(100),
        row(BY_RULE, {"rule_set": "cibmtr"}, response="NR", complete_remission=False),
    ),
]

CASES: list[Case] = [*REMISSION, *NEARBY, *MRD, *RULE_SETS]
