"""Tables 1, 2, 6 and 8 from the reference cohort, cell by cell against what was printed, save the proven misprints."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from analysis_assets.adverse_event_rates import adverse_event_rates
from analysis_assets.baseline import (
    baseline_characteristics,
    follow_up_summary,
    response_time_distribution,
    response_times,
    subsequent_therapies,
)
from analysis_assets.cohort_flow import cohort_flow
from analysis_assets.inputs import StudyInputs
from analysis_assets.rates import CLOPPER_PEARSON, response_rates
from analysis_assets.subgroups import subgroup_response
from study import Study
from tests.analysis_assets.marts_fixture import Marts, reference_marts

PUBLISHED = Path(__file__).parents[2] / "dbt_project" / "seeds" / "published" / "published_figures.csv"

# (item, level) whose printed figures no 39 patients can produce: numbers of the proofs in the list of misprints.
MISPRINTS = {
    ("table1", "Refractory disease", "yes"),  # A1
    ("table1", "Relapsed disease", "yes"),  # A2
    ("table1", "Gene mutation", "Others", "pct"),  # A3
    ("table1", "CNSL", "yes", "pct"),  # A4
    ("table1", "Age (years)", "31-60", "pct"),  # A5
    ("table2", "SH2B3 mutation", "", "p"),  # A6
    ("table8", "Gastrointestinal reactions", "any", "pct"),  # A9
    ("table8", "Hepatic injury", "any", "pct"),  # A9
}


class Cell(NamedTuple):
    table: str
    item: str
    level: str
    statistic: str
    value: str

    @property
    def is_misprint(self) -> bool:
        return (self.table, self.item, self.level) in MISPRINTS or self[:4] in MISPRINTS


def published(table: str) -> Iterator[Cell]:
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["table"] != table:
                continue
            yield Cell(table, row["item"], row["level"], row["statistic"], row["value"])


def agrees(printed: str, computed: float) -> bool:
    decimals = len(printed.partition(".")[2])
    return abs(float(printed) - computed) <= 0.5 * 10**-decimals + 1e-9


@cache
def inputs() -> StudyInputs:
    return StudyInputs(reference_marts().connection, Study())


def mismatches(table: str, computed: dict[tuple[str, str, str], float]) -> tuple[list[Cell], list[Cell]]:
    """Cells that differ and are no misprint, and misprints that agree (and so are none)."""
    wrong, agreeing = [], []
    cells = list(published(table))
    assert len(cells) >= 30, f"the published figures of {table} are gone"
    for cell in cells:
        same = agrees(cell.value, computed[cell.item, cell.level, cell.statistic])
        if same == cell.is_misprint:
            (agreeing if same else wrong).append(cell)
    return wrong, agreeing


LEVELS_1 = {
    "18-30": "18–30",
    "31-60": "31–60",
    "2-4": "2–4",
    "5-10": "5–10",
    "Others": "others",
    ">=5%": "≥5%",
    "Non-Flu+Cy": "non-Flu+Cy",
    "Anti-CD19": "anti-CD19",
    "Anti-CD19+CD22": "anti-CD19+CD22",
}
ITEMS_1 = {"WBC (x10^9/L)": "WBC (×10⁹/L)"}


def test_table_1() -> None:
    frame = baseline_characteristics(inputs(), Study())
    rows = {(str(r["characteristic"]), str(r["level"])): r for r in frame.to_dict("records")}
    computed = {}
    for cell in published("table1"):
        row = rows[ITEMS_1.get(cell.item, cell.item), LEVELS_1.get(cell.level, cell.level)]
        computed[cell.item, cell.level, cell.statistic] = float(row[cell.statistic])
    wrong, agreeing = mismatches("table1", computed)
    assert wrong == []
    # The counts of the two exchanged lines are misprints; so is every percentage of theirs.
    assert agreeing == []


def test_table_2() -> None:
    frame = subgroup_response(inputs(), Study())
    computed = {}
    columns = {
        "n_cr": "n_responders",
        "n_noncr": "n_non_responders",
        "pct_cr": "pct_responders",
        "pct_noncr": "pct_non_responders",
    }
    for cell in published("table2"):
        rows = frame[frame["factor_label"] == cell.item]
        if cell.statistic == "p":
            computed[cell.item, cell.level, cell.statistic] = float(rows["p_value"].iloc[0])
            continue
        level = cell.level.replace(">=", "≥").replace("x10^9", " ×10⁹").lower()
        row = rows[rows["level"].str.lower() == level].iloc[0]
        computed[cell.item, cell.level, cell.statistic] = float(row[columns[cell.statistic]])
    assert mismatches("table2", computed) == ([], [])


GRADES = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "A": 1, "B": 2, "C": 3}
TERMS_6 = {
    "hematologic toxicities grade": (None, "hematologic toxicity"),
    "admission for icu": (None, "ICU admission"),
    "treatments for crs: glucocorticoids": ("treatment of CRS", "glucocorticoids"),
    "treatments for crs: tocilizumab injection": ("treatment of CRS", "tocilizumab"),
}


def event_figures(phase: str, table: str) -> dict[tuple[str, str, str], float]:
    frame = adverse_event_rates(inputs(), Study())
    rows = {
        (
            r["phase"],
            "" if pd.isna(r["parent_term"]) else str(r["parent_term"]),
            str(r["term"]).lower(),
            0 if pd.isna(r["grade"]) else int(r["grade"]),
        ): r
        for r in frame.to_dict("records")
    }
    computed = {}
    for cell in published(table):
        name = cell.item.lower()
        parent, term = TERMS_6.get(name, (None, name))
        if name.startswith("symptoms of crs: "):
            parent, term = "CRS", name.removeprefix("symptoms of crs: ")
        grade = 0 if cell.level == "any" else GRADES[cell.level.removeprefix("Grade ")]
        row = rows[phase, parent or "", term.lower(), grade]
        column = {"denominator": "n_total"}.get(cell.statistic, cell.statistic)
        computed[cell.item, cell.level, cell.statistic] = float(row[column])
    return computed


def test_table_6() -> None:
    assert mismatches("table6", event_figures("cart", "table6")) == ([], [])


def test_table_8() -> None:
    assert mismatches("table8", event_figures("hsct", "table8")) == ([], [])


@pytest.mark.parametrize(
    ("endpoint", "n", "pct"),
    [
        ("CR", 36, 92.3),
        ("MRD_NEGATIVE_CR", 30, 76.9),
        ("MRD_POSITIVE_CR", 6, 15.4),
        ("HSCT_BRIDGE", 17, 43.6),
        ("SEVERE_CRS", 15, 38.5),
    ],
)
def test_response_rates_of_figure_1a(endpoint: str, n: int, pct: float) -> None:
    rates = response_rates(inputs(), Study())
    row = rates[(rates["endpoint"] == endpoint) & (rates["ci_method"] == CLOPPER_PEARSON)].iloc[0]
    assert (row["n"], row["n_total"]) == (n, 39)
    assert row["pct"] == pytest.approx(pct, abs=0.05)


def test_times_to_response_of_figure_1b() -> None:
    times = response_times(inputs(), Study()).set_index("endpoint")
    assert times.loc["TIME_TO_CR", ["mean", "sd"]].tolist() == pytest.approx([13.6, 7.7], abs=0.05)
    assert times.loc["TIME_TO_MRD_NEGATIVE", ["mean", "sd"]].tolist() == pytest.approx([15.5, 8.8], abs=0.05)
    # Neither is normally distributed, so the house rule shows the median although the paper shows the mean.
    assert times["display"].tolist() == ["12 (5–38)", "13.5 (5–42)"]
    days = response_time_distribution(inputs(), Study())
    assert days.groupby("endpoint")["n"].sum().to_dict() == {"TIME_TO_CR": 36, "TIME_TO_MRD_NEGATIVE": 30}


def test_follow_up_of_the_methods_and_reverse_kaplan_meier() -> None:
    summary = follow_up_summary(inputs(), Study()).set_index("method")
    plain = summary.loc["plain", ["median_months", "min_months", "max_months"]].astype(float).tolist()
    assert plain == pytest.approx([9.5, 0.9, 34.3], abs=0.05)
    reverse = summary.loc["reverse Kaplan-Meier"]
    # 18 of 39 died, so 21 follow-ups were still running; early deaths no longer shorten the median.
    assert (reverse["n"], reverse["n_events"]) == (39, 21)
    assert reverse["median_months"] > plain[0]


def test_subsequent_therapy_of_the_text() -> None:
    frame = subsequent_therapies(inputs(), Study())
    counts = {(str(r["patient_group"]), str(r["therapy"])): int(r["n"]) for r in frame.to_dict("records")}
    in_remission, failed = "complete remission, not bridged to HSCT", "no complete remission"
    assert counts[in_remission, ""] == 19
    assert counts[in_remission, "repeated CAR-T consolidation"] == 8
    assert counts[in_remission, "no further therapy until relapse"] == 7
    assert counts[in_remission, "consolidation chemotherapy"] == 4
    assert counts[failed, "none (chemoresistance)"] == 2
    assert counts[failed, "salvage chemotherapy"] == 1


def test_never_assessed_patients_are_a_group_of_their_own() -> None:
    marts = Marts()
    marts.connection.execute("alter table marts.patients add column response_evaluable boolean")
    marts.add_patient("a", complete_remission=False, response_evaluable=False)
    marts.add_patient("b", complete_remission=False, response_evaluable=True, subsequent_therapy="none")
    frame = subsequent_therapies(StudyInputs(marts.connection, Study()), Study())
    assert list(frame["patient_group"].unique()) == ["no complete remission", "response never assessed"]


def test_fisher_and_expected_counts_stand_beside_every_test_of_table_2() -> None:
    frame = subgroup_response(inputs(), Study())
    wbc = frame[frame["factor"] == "wbc"].iloc[0]
    # 3 of 39 without remission, 19 below 30: 19 x 3 / 39 expected.
    assert wbc["smallest_expected"] == pytest.approx(19 * 3 / 39, rel=1e-9)
    assert wbc["p_fisher"] == pytest.approx(0.231, abs=5e-4)
    assert "below 5" in str(wbc["warning"])
    assert frame["warning"].notna().all()
    assert set(frame["test"]) == {"Pearson chi-square"}


def test_convention_r_corrects_the_chi_square() -> None:
    study = Study().model_copy(update={"conventions": "r"})
    frame = subgroup_response(inputs(), study)
    sh2b3 = frame[frame["factor"] == "sh2b3"].iloc[0]
    assert sh2b3["p_value"] == pytest.approx(0.669, abs=5e-4)
    assert set(frame["convention"]) == {"r"}


def test_subgroup_factor_after_time_zero_carries_its_warning() -> None:
    study = Study()
    models = study.models.model_copy(
        update={"subgroups": study.models.subgroups.model_copy(update={"factors": ("bridged_to_hsct",)})}
    )
    frame = subgroup_response(inputs(), study.model_copy(update={"models": models}))
    assert frame["note"].str.contains("known only after the infusion").all()


def test_columns_are_those_of_the_contract() -> None:
    contract = {
        baseline_characteristics: "characteristic level n n_total pct median min max mean sd display",
        response_rates: "endpoint n n_total pct ci_low ci_high ci_method",
        subgroup_response: "endpoint factor level n_responders n_non_responders p_value test p_fisher",
        adverse_event_rates: "phase parent_term term grade n n_total pct ci_low ci_high",
        cohort_flow: "step criterion n_excluded n_remaining",
    }
    for build, columns in contract.items():
        frame = build(inputs(), Study())
        expected = columns.split()
        assert list(frame.columns)[: len(expected)] == expected
        assert set(frame["convention"]) == {"spss"}


def empty_cohort() -> StudyInputs:
    """Three patients of whom the extract says nothing but that they were infused, and two that are not studied."""
    marts = Marts()
    for key in "abc":
        marts.add_patient(key)
    marts.add_patient("x", included=False, exclusion_reason="lymphoma", age_years=30)
    return StudyInputs(marts.connection, Study())


def test_what_the_extract_does_not_hold_is_said() -> None:
    bare, study = empty_cohort(), Study()
    table_1 = baseline_characteristics(bare, study)
    assert table_1.loc[0, "display"] == "3 (100.0)"
    assert set(table_1["note"].iloc[1:]) == {"the extract holds no data for this characteristic"}
    for frame in (response_rates(bare, study), subgroup_response(bare, study), response_times(bare, study)):
        assert frame["note"].str.startswith("not computable").all()
    events = adverse_event_rates(bare, study)
    assert events["note"].notna().all()
    assert events["n"].isna().all()
    assert follow_up_summary(bare, study)["note"].str.startswith("not computable").all()
    assert response_time_distribution(bare, study).empty


def test_missing_values_leave_the_denominator_and_have_their_own_row() -> None:
    marts = Marts()
    for key, refractory in (("a", True), ("b", False), ("c", None), ("d", True)):
        marts.add_patient(key, refractory=refractory, age_years=20)
    frame = baseline_characteristics(StudyInputs(marts.connection, Study()), Study())
    rows = frame[frame["characteristic"] == "Refractory disease"].set_index("level")
    assert rows["display"].to_dict() == {"no": "1 (33.3)", "yes": "2 (66.7)", "missing": "1 (25.0)"}
    assert rows["n_missing"].tolist() == [1, 1, 1]


def test_known_and_missing_make_everybody_on_every_row_of_a_measurement() -> None:
    marts = Marts()
    for key, wbc, age in (("a", 5.0, 20), ("b", 7.0, 30), ("c", None, 40)):
        marts.add_patient(key, wbc=wbc, age_years=age)
    frame = baseline_characteristics(StudyInputs(marts.connection, Study()), Study()).set_index("characteristic")
    wbc = frame.loc["WBC (×10⁹/L)"].set_index("level")
    assert wbc[["n", "n_total", "n_missing"]].T.to_dict("list") == {"": [2, 2, 1], "missing": [1, 2, 1]}
    assert wbc.loc["missing", "pct"] == pytest.approx(100 / 3)  # of everybody: a share of the known would mean nothing
    age = frame.loc[["Age (years)"]].set_index("level")
    assert "missing" not in age.index
    assert age.loc["", ["n", "n_total", "n_missing"]].tolist() == [3, 3, 0]


@pytest.mark.parametrize("known", [0, 1, 3])
def test_a_characteristic_and_level_stand_once(known: int) -> None:
    """The covariate of the previous chemotherapies bears the name of the measurement that it cuts."""
    marts = Marts()
    for number in range(3):
        marts.add_patient(f"p{number}", prior_chemotherapies=3 if number < known else None)
    frame = baseline_characteristics(StudyInputs(marts.connection, Study()), Study())
    assert not frame.duplicated(["characteristic", "level"]).any()
    levels = frame.loc[frame["characteristic"] == "Number of previous chemotherapies", "level"].tolist()
    missing = ["missing"] if known < 3 else []
    assert levels == (["", "2–4", "5–10", ">10", *missing, "<4", "≥4"] if known else [""])


def test_open_age_bands_appear_only_where_somebody_is_in_them() -> None:
    marts = Marts()
    marts.add_patient("a", age_years=75)
    frame = baseline_characteristics(StudyInputs(marts.connection, Study()), Study())
    bands = frame[(frame["characteristic"] == "Age (years)") & (frame["level"] != "")].set_index("level")["n"]
    assert bands.to_dict() == {"<18": 0, "18–30": 0, "31–60": 0, ">60": 1}


def test_age_bands_begin_and_end_with_the_birthdays_they_name() -> None:
    marts = Marts()
    for age in (17, 18, 30, 31, 60, 61):
        marts.add_patient(f"aged {age}", age_years=age)
    frame = baseline_characteristics(StudyInputs(marts.connection, Study()), Study())
    bands = frame[(frame["characteristic"] == "Age (years)") & (frame["level"] != "")].set_index("level")["n"]
    assert bands.to_dict() == {"<18": 1, "18–30": 2, "31–60": 2, ">60": 1}


def test_normally_distributed_values_show_mean_and_deviation() -> None:
    marts = Marts()
    for number, age in enumerate((20, 25, 28, 30, 31, 32, 34, 37, 42)):
        marts.add_patient(f"p{number}", age_years=age)
    frame = baseline_characteristics(StudyInputs(marts.connection, Study()), Study())
    age = frame[(frame["characteristic"] == "Age (years)") & (frame["level"] == "")].iloc[0]
    # Sum 279 over 9, squared deviations 334: SD sqrt(334 / 8) = 6.46.
    assert age["display"] == "31.0 ± 6.5"
    assert age["normality_p"] > 0.05


@pytest.mark.parametrize(
    ("doses", "said"),
    [
        ((1_001_000,), "1.00 (1.00–1.00)"),  # it was 1.001 (1.00–1.00)
        ((1_001_000, 1_002_000), "1.00 (1.00–1.00)"),  # 1.0015, between two that are shown rounded
        ((1_010_000, 1_020_000), "1.015 (1.01–1.02)"),
        ((1_000_000, 2_000_000), "1.5 (1–2)"),
    ],
)
def test_a_median_is_printed_within_its_own_range(doses: tuple[int, ...], said: str) -> None:
    marts = Marts()
    for dose in doses:
        marts.add_patient(f"dose {dose}", cells_per_kg=dose)
    frame = baseline_characteristics(StudyInputs(marts.connection, Study()), Study())
    cells = frame[(frame["column_name"] == "cells_per_kg") & (frame["level"] == "")].iloc[0]
    assert cells["display"] == said


def test_parts_of_the_cohort_flow_add_up() -> None:
    flow = cohort_flow(empty_cohort(), Study())
    assert flow["n_remaining"].tolist() == [4, 3]
    assert flow["n_excluded"].tolist() == [0, 1]
