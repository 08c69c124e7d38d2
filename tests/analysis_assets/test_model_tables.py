"""The tables of survival and models: contract columns, the reference cohort's figures, and what can't be computed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis_assets.cox import fit_cox
from analysis_assets.cox_models import cox_models
from analysis_assets.incidence_tables import cumulative_incidence
from analysis_assets.inputs import StudyInputs
from analysis_assets.km_tables import km_curves, km_landmarks, km_summary, logrank_tests
from analysis_assets.logistic_models import logistic_models
from analysis_assets.model_diagnostics import model_diagnostics
from analysis_assets.selection_steps import selection_steps
from analysis_assets.time_dependent import counting_process
from study import Study
from tests.analysis_assets.marts_fixture import Marts, reference_marts
from tests.oracles.reading import answers

Builder = Callable[[Any, Any], pd.DataFrame]
FIT = answers("cohort_fit/fit_report.json")["rows"]
RECIPE = answers("r/recipe.json")["cohort"]
MONTH = 365.25 / 12

CONTRACT: dict[Builder, list[str]] = {
    km_curves: "endpoint factor level time_months n_at_risk n_events n_censored survival std_error ci_low ci_high",
    km_summary: "endpoint factor level n n_events median_months median_ci_low median_ci_high ci_method",
    km_landmarks: "endpoint factor level month n_at_risk survival ci_low ci_high",
    logrank_tests: "endpoint factor statistic df p_value",
    cox_models: "endpoint model term contrast hazard_ratio ci_low ci_high p_value n n_events ties estimator note",
    logistic_models: "outcome model term contrast odds_ratio ci_low ci_high p_value n n_events estimator note",
    selection_steps: "outcome model_family step action term statistic df p_value",
    cumulative_incidence: "endpoint factor level time_months incidence ci_low ci_high",
    model_diagnostics: "outcome term diagnostic statistic df p_value note",
}  # type: ignore[assignment]
BUILDERS = list(CONTRACT)


@pytest.fixture(scope="module")
def reference() -> StudyInputs:
    return StudyInputs(reference_marts().connection, Study())


@pytest.fixture(scope="module")
def tables(reference: StudyInputs) -> dict[Builder, pd.DataFrame]:
    return {builder: builder(reference, Study()) for builder in BUILDERS}


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda b: b.__name__)
def test_contract_columns_come_first_and_every_row_names_its_convention(
    tables: dict[Builder, pd.DataFrame], builder: Builder
) -> None:
    frame, wanted = tables[builder], str(CONTRACT[builder]).split()
    assert list(frame.columns)[: len(wanted)] == wanted
    assert frame["convention"].notna().all()
    assert not frame.columns.duplicated().any()


# ---- the reference cohort against its own fit report ----------------------------------------------------------------
ITEMS = {
    "Age": "age",
    "Gender": "sex",
    "Number of previous chemotherapies": "prior_chemotherapies",
    "Refractory disease": "refractory",
    "Relapsed disease": "relapsed",
    "Bone marrow blasts": "marrow_blasts",
    "Extramedullary disease": "extramedullary_disease",
    "CNSL": "cns_leukemia",
    "BCR/ABL1": "bcr_abl1",
    "SH2B3 mutation": "sh2b3",
    "PAX5 mutation": "pax5",
    "WBC": "wbc",
    "Lymphodepletion regimens": "flu_cy",
    "CAR-T cells": "cart_target",
    "CR with MRD negative": "mrd_negative_cr",
    "Bridging to HSCT": "bridged_to_hsct",
}
COX_TABLES = {"table4": "EFS", "table5": "OS"}
LOGISTIC_TABLES = {"table3": "CR", "table7": "SEVERE_CRS"}
ESTIMATES = {"hr": "hazard_ratio", "or": "odds_ratio", "ci_low": "ci_low", "ci_high": "ci_high", "p": "p_value"}


def printed_equal(value: float, printed: str) -> bool:
    """Whether ``value`` rounds to the digits as printed."""
    decimals = len(printed.split(".")[1]) if "." in printed else 0
    return abs(value - float(printed)) <= 0.5 * 10**-decimals + 1e-9


def model_rows(table_of: dict[str, str]) -> list[dict[str, str]]:
    return [row for row in FIT if row["table"] in table_of and row["item"] in ITEMS]


def one(frame: pd.DataFrame, **wanted: str) -> dict[str, Any]:
    chosen = frame
    for column, value in wanted.items():
        chosen = chosen[chosen[column] == value]
    assert len(chosen) == 1, wanted
    return dict(chosen.iloc[0])


def test_every_cox_figure_of_the_fit_report_is_met_to_its_last_digit(tables: dict[Builder, pd.DataFrame]) -> None:
    rows = model_rows(COX_TABLES)
    assert len(rows) == 140
    for row in rows:
        model, statistic = row["statistic"].split("_", 1)
        found = one(tables[cox_models], endpoint=COX_TABLES[row["table"]], model=model, term=ITEMS[row["item"]])
        assert printed_equal(found[ESTIMATES[statistic]], row["reproduced"]), row


def test_every_logistic_figure_of_the_fit_report_is_met_as_spss_prints_it(tables: dict[Builder, pd.DataFrame]) -> None:
    rows = [row for row in model_rows(LOGISTIC_TABLES) if row["reproduced"] not in ("inf",)]
    assert len(rows) > 110
    for row in rows:
        model, statistic = row["statistic"].split("_", 1)
        found = one(
            tables[logistic_models], outcome=LOGISTIC_TABLES[row["table"]], model=model, term=ITEMS[row["item"]]
        )
        column = ESTIMATES[statistic]
        value = found[f"spss_{column}"] if found["estimator"] == "firth" else found[column]
        if "e" in row["reproduced"]:
            assert value == pytest.approx(float(row["reproduced"]), rel=1e-3)
        else:
            assert printed_equal(value, row["reproduced"]), row


def test_medians_and_landmarks_of_the_paper(tables: dict[Builder, pd.DataFrame]) -> None:
    for row in FIT:
        if row["table"] != "text" or row["statistic"] == "p":
            continue
        endpoint = row["item"].split()[0]
        summary = one(tables[km_summary], endpoint=endpoint, factor="", convention="spss")
        landmarks = tables[km_landmarks].query("factor == '' and convention == 'spss' and endpoint == @endpoint")
        survival = landmarks.set_index("month")["survival"] * 100
        value = {
            "median": summary["median_months"],
            "ci_low": summary["median_ci_low"],
            "ci_high": summary["median_ci_high"],
            "pct_6m": survival[6],
            "pct_12m": survival[12],
        }[row["statistic"]]
        assert printed_equal(value, row["reproduced"]), row
        assert printed_equal(value, row["published"]), row


def test_log_rank_p_values_of_the_fit_report(tables: dict[Builder, pd.DataFrame]) -> None:
    factors = {
        "refractory": "refractory",
        "bone": "marrow_blasts",
        "lymphodepletion": "flu_cy",
        "bridging": "bridged_to_hsct",
    }
    rows = [row for row in FIT if row["table"] == "text" and row["statistic"] == "p"]
    assert len(rows) == 7
    for row in rows:
        found = one(tables[logrank_tests], endpoint=row["item"].split()[0], factor=factors[row["level"].split()[0]])
        assert printed_equal(found["p_value"], row["reproduced"]), row


def test_convention_r_of_the_reference_cohort_equals_r(tables: dict[Builder, pd.DataFrame]) -> None:
    for endpoint, expected in ((name.upper(), RECIPE[name]) for name in ("efs", "os")):
        summary = one(tables[km_summary], endpoint=endpoint, factor="", convention="r")
        found = [summary["median_months"], summary["median_ci_low"], summary["median_ci_high"]]
        wanted = [math.nan if value is None else value / MONTH for value in expected["median"]]
        np.testing.assert_allclose(found, wanted, rtol=1e-9)
        rows = tables[km_landmarks].query("factor == '' and convention == 'r' and endpoint == @endpoint")
        np.testing.assert_allclose(rows["survival"], expected["surv"], rtol=1e-9)
        np.testing.assert_allclose(rows["ci_low"], expected["lower"], rtol=1e-9)
        np.testing.assert_allclose(rows["ci_high"], expected["upper"], rtol=1e-9)
    study = Study(conventions="r")
    cox = cox_models(StudyInputs(reference_marts().connection, study), study)
    hsct = one(cox, endpoint="OS", model="univariate", term="bridged_to_hsct")
    np.testing.assert_allclose([hsct["hazard_ratio"], hsct["ci_low"], hsct["ci_high"]], RECIPE["os"]["hsct"], rtol=1e-6)
    assert hsct["ties"] == "efron"
    assert hsct["convention"] == "r"


def test_reverse_kaplan_meier_stands_beside_the_plain_follow_up(tables: dict[Builder, pd.DataFrame]) -> None:
    rows = tables[km_summary].query("endpoint == 'FOLLOW_UP'")
    plain = rows[rows["ci_method"] == "plain median (range)"].iloc[0]
    assert [f"{plain[name]:.1f}" for name in ("median_months", "min_months", "max_months")] == ["9.5", "0.9", "34.3"]
    reverse = rows[rows["ci_method"].str.startswith("reverse") & (rows["convention"] == "r")].iloc[0]
    expected = RECIPE["os"]["reverse_median"]
    assert reverse["median_months"] == pytest.approx(expected[0] / MONTH, rel=1e-9)
    assert reverse["median_ci_low"] == pytest.approx(expected[1] / MONTH, rel=1e-9)
    assert math.isnan(reverse["median_ci_high"])


def test_rows_of_the_studys_convention_come_first_and_are_flagged(tables: dict[Builder, pd.DataFrame]) -> None:
    for builder in (km_summary, km_landmarks):
        frame = tables[builder]
        assert list(dict.fromkeys(frame["convention"])) == ["spss", "r", "sas"]
        assert (frame["is_primary"] == (frame["convention"] == "spss")).all()


def test_selection_ends_with_the_models_of_the_paper(tables: dict[Builder, pd.DataFrame]) -> None:
    last = tables[selection_steps].groupby(["outcome", "model_family"])["terms_in_model"].last()
    assert last.to_dict() == {
        ("EFS", "cox"): "bridged_to_hsct + marrow_blasts",
        ("OS", "cox"): "bridged_to_hsct",
        ("CR", "logistic"): "",
        ("SEVERE_CRS", "logistic"): "refractory + wbc",
    }
    first = one(tables[selection_steps], outcome="EFS", action="enter", term="bridged_to_hsct")
    assert f"{first['p_value']:.4f}" == "0.0021"
    stopped = one(tables[selection_steps], outcome="CR", action="stop")
    assert (stopped["term"], f"{stopped['p_value']:.4f}") == ("wbc", "0.0789")


def test_separated_rows_carry_firth_and_say_what_spss_prints(tables: dict[Builder, pd.DataFrame]) -> None:
    frame = tables[logistic_models].query("outcome == 'CR'")
    separated = frame[frame["estimator"] == "firth"]
    assert set(separated["term"]) == {"age", "relapsed", "marrow_blasts", "wbc"}
    assert separated["ci_method"].eq("profile likelihood").all()
    notes = separated.set_index("term")["note"]
    assert "prints OR 0.000 (0.000 to –), P 0.998" in notes["wbc"]
    assert "prints OR – (0.000 to –), P 0.999" in notes["age"]
    assert frame[frame["estimator"] == "mle"]["spss_odds_ratio"].isna().all()


def test_covariates_after_time_zero_are_warned_of_and_shown_without_immortal_time(
    tables: dict[Builder, pd.DataFrame],
) -> None:
    cox = tables[cox_models]
    for term in ("bridged_to_hsct", "mrd_negative_cr"):
        naive = one(cox, endpoint="EFS", model="univariate", term=term)
        assert "immortal-time" in naive["note"]
        for model in ("landmark_60d", "landmark_100d", "time_dependent"):
            row = one(cox, endpoint="EFS", model=model, term=term)
            assert row["hazard_ratio"] > 0
            assert "immortal" not in row["note"]
    warned = cox[cox["warning"].fillna("").str.contains("immortal_time")]
    assert set(warned["term"]) == {"bridged_to_hsct", "mrd_negative_cr"}


def test_the_selected_model_is_shown_with_its_transplant_on_its_day(reference: StudyInputs) -> None:
    cox = cox_models(reference, Study())
    rows = cox[cox["model"] == "multivariate_time_dependent"]
    assert rows[["endpoint", "term"]].to_numpy().tolist() == [["EFS", "bridged_to_hsct"], ["EFS", "marrow_blasts"]]
    assert not rows["warning"].fillna("").str.contains("immortal").any()
    # The same from the raw times, without the tables.
    times = reference.counting_process("EFS", "bridged_to_hsct", ["marrow_blasts"])
    fit = fit_cox(counting_process(times), "breslow")
    np.testing.assert_allclose(rows["hazard_ratio"], np.exp(fit.coefficients), rtol=1e-9)
    assert rows["n"].tolist() == [39, 39]


def test_the_selected_model_with_its_transplant_on_its_day_has_the_same_patients() -> None:
    marts = reference_marts().connection
    marts.execute(
        "update marts.patients set pax5 = null where patient_key in "
        "(select patient_key from marts.patients where included order by infusion_date, patient_key limit 3)"
    ).fetchall()
    frame = cox_models(StudyInputs(marts, Study()), Study()).query("endpoint == 'EFS'")
    models = {
        model: frame[frame["model"] == model].set_index("term")[["n", "n_events"]].sort_index()
        for model in ("multivariate", "multivariate_time_dependent")
    }
    assert models["multivariate"].to_numpy().tolist() == [[36, 19]] * 3
    assert "mrd_negative_cr" in models["multivariate"].index
    pd.testing.assert_frame_equal(models["multivariate_time_dependent"], models["multivariate"])


def test_sparse_models_are_warned_of(tables: dict[Builder, pd.DataFrame]) -> None:
    multivariate = tables[cox_models].query("model == 'multivariate' and endpoint == 'EFS'")
    assert multivariate["events_per_variable"].tolist() == [21 / 16, 21 / 16]
    assert multivariate["note"].str.contains("1.3 events per candidate variable").all()
    ratio = tables[model_diagnostics].query("outcome == 'CR' and term == 'age' and diagnostic == 'events_per_variable'")
    assert ratio["statistic"].tolist() == [3.0]
    # The rarer outcome counts: three patients without CR.
    row = one(tables[logistic_models], outcome="CR", model="univariate", term="age")
    assert row["events_per_variable"] == 3.0


def test_diagnostics_hold_proportionality_separation_and_global_tests(tables: dict[Builder, pd.DataFrame]) -> None:
    frame = tables[model_diagnostics]
    overall = one(frame, outcome="EFS", model="multivariate", term="GLOBAL", diagnostic="proportional_hazards")
    assert overall["df"] == 2
    assert 0 < overall["p_value"] < 1
    assert set(frame[frame["diagnostic"] == "separation"]["term"]) == {"age", "relapsed", "marrow_blasts", "wbc"}
    score = one(frame, outcome="OS", model="multivariate", term="GLOBAL", diagnostic="score")
    enter = one(tables[selection_steps], outcome="OS", action="enter")
    assert score["statistic"] == pytest.approx(enter["statistic"], rel=1e-9)


# ---- competing risks ------------------------------------------------------------------------------------------------
def with_competing_risks() -> Marts:
    """Ten patients, five of either sex; relapse on days 100, 200, 300, death without relapse on days 150 and 250."""
    marts = Marts()
    ends = [(100, "relapse"), (200, "relapse"), (300, "relapse"), (150, "death"), (250, "death")]
    ends += [(400 + 10 * k, "censored") for k in range(5)]
    for number, (day, kind) in enumerate(ends):
        key = f"p{number}"
        marts.add_patient(key, sex="M" if number % 2 else "F", age_years=30)
        marts.add_time(key, "RELAPSE", day, kind == "relapse", event_kind=kind)
        marts.add_time(key, "NON_RELAPSE_MORTALITY", day, kind == "death", event_kind=kind)
    return marts


def test_relapse_and_death_without_relapse_compete() -> None:
    study = Study()
    inputs = StudyInputs(with_competing_risks().connection, study)
    frame = cumulative_incidence(inputs, study).query("factor == ''")
    last = frame.groupby("endpoint")["incidence"].last()
    assert last.to_dict() == pytest.approx({"RELAPSE": 0.3, "NON_RELAPSE_MORTALITY": 0.2})
    tests = model_diagnostics(inputs, study)
    gray = one(tests, outcome="RELAPSE", term="sex", diagnostic="gray_test")
    assert gray["df"] == 1
    assert 0 < gray["p_value"] <= 1
    ratio = one(tests, outcome="RELAPSE", term="sex", diagnostic="fine_gray")
    assert ratio["ci_low"] < ratio["estimate"] < ratio["ci_high"]
    adult = one(tests, outcome="RELAPSE", term="age", diagnostic="gray_test")
    assert adult["note"] == "every patient with a known value is at level '≥18 years'"


def test_a_level_without_relapse_has_no_subdistribution_ratio() -> None:
    marts = with_competing_risks()
    marts.connection.execute("update marts.patients set refractory = (patient_key in ('p3', 'p4', 'p5'))")
    row = one(
        model_diagnostics(StudyInputs(marts.connection, Study()), Study()),
        outcome="RELAPSE", term="refractory", diagnostic="fine_gray",
    )  # fmt: skip
    assert row["note"] == "separated: the subdistribution hazard ratio has no finite estimate"
    assert math.isnan(row["estimate"])


def test_a_patient_with_a_competing_event_stays_at_risk_in_fine_and_gray() -> None:
    # On day 10 only the refractory are still followed, but the one who died on day 5 counts against them.
    marts = Marts()
    rows = [
        ("a", False, 3, "relapse"),
        ("b", False, 5, "death"),
        ("c", True, 10, "relapse"),
        ("d", True, 12, "censored"),
    ]
    for key, refractory, day, kind in rows:
        marts.add_patient(key, refractory=refractory)
        marts.add_time(key, "RELAPSE", day, kind == "relapse", event_kind=kind)
    tests = model_diagnostics(StudyInputs(marts.connection, Study()), Study())
    ratio = one(tests, outcome="RELAPSE", term="refractory", diagnostic="fine_gray")
    # Relapse on day 3 with two of either kind at risk, on day 10 with b, c and d: 1 - 2r/(2r+2) - 2r/(2r+1) = 0.
    r = ratio["estimate"]
    assert 2 * r / (2 * r + 2) + 2 * r / (2 * r + 1) == pytest.approx(1, rel=1e-6)


def test_selection_takes_the_complete_cases_over_all_candidates() -> None:
    marts = reference_marts()
    marts.connection.execute("update marts.patients set age_years = null where age_years >= 40")
    marts.connection.execute("update marts.patients set sex = null where prior_chemotherapies > 9")
    unknown = marts.connection.execute("select count(*) from marts.patients where age_years is null or sex is null")
    missing = (unknown.fetchone() or (0,))[0]
    steps = selection_steps(StudyInputs(marts.connection, Study()), Study())
    assert missing > 3
    assert set(steps["n_incomplete"]) == {missing}
    assert set(steps["n"]) == {39 - missing}


# ---- what can't be computed says so, and nothing fails --------------------------------------------------------------
@pytest.mark.parametrize("builder", BUILDERS, ids=lambda b: b.__name__)
def test_a_warehouse_without_outcomes_gives_notes_and_no_figures(builder: Builder) -> None:
    marts = Marts()
    marts.add_patient("p1", sex="F")
    frame = builder(StudyInputs(marts.connection, Study()), Study())
    figures = [name for name in ("hazard_ratio", "odds_ratio", "survival", "median_months", "p_value") if name in frame]
    assert frame[figures].isna().all().all()
    if builder not in (km_curves, cumulative_incidence):
        assert len(frame) > 0
        assert frame["note"].notna().all()


def awkward_marts() -> Marts:
    """Nobody dies in OS; sex is never known; all are adults; refractory is known for one patient only."""
    marts = Marts()
    for number in range(8):
        key = f"p{number}"
        marts.add_patient(
            key, age_years=20 + number, refractory=True if number == 0 else None, wbc=float(10 * number),
            bridged_to_hsct=number % 2 == 0,
        )  # fmt: skip
        marts.add_time(key, "OS", 100 + number, False, event_kind="censored")
        marts.add_time(
            key,
            "EFS",
            50 + number if number >= 3 else 90,
            number >= 3,
            event_kind="relapse" if number >= 3 else "censored",
        )
        marts.add_binary(key, "CR", True)
        marts.add_binary(key, "SEVERE_CRS", number >= 3)
    return marts


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda b: b.__name__)
def test_awkward_samples_never_stop_the_night(builder: Builder) -> None:
    frame = builder(StudyInputs(awkward_marts().connection, Study()), Study())
    assert len(frame) > 0 or builder is cumulative_incidence


def test_reasons_are_told_in_words() -> None:
    study = Study()
    inputs = StudyInputs(awkward_marts().connection, study)
    cox = cox_models(inputs, study)
    notes = cox[cox["model"] == "univariate"].set_index(["endpoint", "term"])["note"]
    assert notes["EFS", "sex"] == "Gender is not known for any patient"
    assert notes["EFS", "age"] == "every patient with a known value is at level '≥18 years'"
    assert notes["OS", "wbc"] == "no event among 8 patients"
    # WBC >= 30 is exactly who had an event, while the others were still followed: separated.
    wbc = one(cox, endpoint="EFS", model="univariate", term="wbc")
    assert wbc["estimator"] == "firth"
    assert "is infinity" in wbc["note"]
    assert 0 < wbc["ci_low"] < wbc["hazard_ratio"] < wbc["ci_high"] < math.inf
    everyone = one(logistic_models(inputs, study), outcome="CR", model="univariate", term="wbc")
    assert everyone["note"] == "all 8 patients have the outcome"
    steps = selection_steps(inputs, study)
    never = one(steps, outcome="OS", model_family="cox")
    assert (never["step"], never["action"]) == (0, "stop")
    assert "no event among 8 patients" in never["note"]
    assert "sex left out: Gender is not known for any patient" in never["note"]


def test_figures_are_numbers_and_not_text(tables: dict[Builder, pd.DataFrame]) -> None:
    for builder, frame in tables.items():
        for name in ("n", "n_events", "df", "n_at_risk", "month", "step"):
            if name in frame:
                assert pd.api.types.is_integer_dtype(frame[name]), (builder.__name__, name)
        for name in ("p_value", "ci_low", "survival", "hazard_ratio"):
            if name in frame:
                assert pd.api.types.is_float_dtype(frame[name]), (builder.__name__, name)


def test_the_oracle_of_the_reference_cohort_is_no_output_of_this_code() -> None:
    path = Path(__file__).parents[1] / "oracles" / "cohort_fit" / "fit_report.json"
    assert "apart from this project" in json.loads(path.read_text(encoding="utf-8"))["tool"]
