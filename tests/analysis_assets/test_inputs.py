"""The SQL of the reader against eight patients whose every count was worked out by hand.

| key | included | age | sex | refractory | WBC  | OS (days)   | CR  | bridged (day) |
| a   | yes      | 10  | F   | yes        | 10.5 | 100 death   | yes | yes (50)      |
| b   | yes      | 17  | M   | no         | 30   | 100 death   | yes | no            |
| c   | yes      | 18  | M   | unknown    | 29.9 | 100 alive   | no  | no            |
| d   | yes      | 40  | F   | yes        | none | 200 alive   | yes | yes (60)      |
| e   | yes      | 61  | M   | no         | 80   | 30 death    | unknown, never assessed | no |
| f   | yes      | 25  | F   | no         | 5    | 200 alive   | yes | yes, on the day of death of a (100) |
| g h | no        |     |   |            |      | 5 death     | yes | no            |
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import numpy as np
import pytest

from analysis_assets.inputs import FlowStep, LevelCounts, MartsError, StudyInputs
from analysis_assets.protocols import COMPETING, EVENT, NotComputableError
from study import Covariate, Study
from tests.analysis_assets.marts_fixture import Marts

INFUSION = dt.date(2016, 1, 1)


def day(number: int) -> dt.date:
    return INFUSION + dt.timedelta(days=number)


@pytest.fixture
def marts() -> Marts:
    marts = Marts()
    baseline = (
        ("a", 10, "F", True, 10.5),
        ("b", 17, "M", False, 30.0),
        ("c", 18, "M", None, 29.9),
        ("d", 40, "F", True, None),
        ("e", 61, "M", False, 80.0),
        ("f", 25, "F", False, 5.0),
    )
    for key, age, sex, refractory, wbc in baseline:
        marts.add_patient(
            key,
            age_years=age,
            sex=sex,
            refractory=refractory,
            wbc=wbc,
            infusion_date=INFUSION,
            bridged_to_hsct=key in "adf",
        )
    for key in "gh":
        marts.add_patient(key, included=False, exclusion_reason="no CAR-T infusion", age_years=10, refractory=True)
        marts.add_time(key, "OS", 5, True, event_kind="death")
        marts.add_binary(key, "CR", True)
        marts.add_adverse_event(key, "CRS", 5)
    for key, days, died in (("a", 100, True), ("b", 100, True), ("c", 100, False), ("d", 200, False), ("e", 30, True)):
        marts.add_time(key, "OS", days, died, event_kind="death" if died else "censored", event_date=day(days))
    marts.add_time("f", "OS", 200, False, event_kind="censored", event_date=day(200))
    for key in "abdf":
        marts.add_binary(key, "CR", True, event_kind="complete_remission")
    marts.add_binary("c", "CR", False, event_kind="no_remission")
    marts.add_binary("e", "CR", False, event_kind="not_evaluable")
    for key, bridged_on in (("a", 50), ("d", 60), ("f", 100)):
        marts.add_binary(key, "HSCT_BRIDGE", True, event_date=day(bridged_on))
    for key in "bce":
        marts.add_binary(key, "HSCT_BRIDGE", False)
    return marts


@pytest.fixture
def inputs(marts: Marts) -> StudyInputs:
    return StudyInputs(marts.connection, Study())


def test_time_to_event_groups_equal_patients_and_leaves_out_the_excluded(inputs: StudyInputs) -> None:
    sample = inputs.time_to_event("OS")
    assert list(zip(sample.time_days, sample.cause, sample.weight, strict=True)) == [
        (30, 1, 1),
        (100, 0, 1),
        (100, 1, 2),
        (200, 0, 2),
    ]
    assert sample.n == 6


def test_levels_are_reference_other_or_missing(inputs: StudyInputs) -> None:
    sample = inputs.time_to_event("OS", ["refractory", "age", "sex", "wbc"])
    rows = {
        (time, cause): tuple(int(sample.levels[name][i]) for name in ("refractory", "age", "sex", "wbc"))
        for i, (time, cause) in enumerate(zip(sample.time_days, sample.cause, strict=True))
        if (time, cause) in {(30, 1), (100, 0)}
    }
    assert rows == {(30, 1): (0, 1, 1, 1), (100, 0): (-1, 1, 1, 0)}
    # d has no white-cell count: missing, not "below 30".
    assert sorted(sample.levels["wbc"].tolist()) == [-1, 0, 0, 0, 1, 1]


def test_at_least_includes_the_threshold_itself(inputs: StudyInputs) -> None:
    # 18 years and 30 x 10^9/L belong to the upper level.
    counts = inputs.level_counts(["age", "wbc", "refractory"])
    assert counts == {
        "age": LevelCounts(reference=2, other=4, missing=0),
        "wbc": LevelCounts(reference=3, other=2, missing=1),
        "refractory": LevelCounts(reference=3, other=2, missing=1),
    }


def test_binary_counts_the_never_assessed_as_not_achieved_and_says_how_many(inputs: StudyInputs) -> None:
    sample = inputs.binary("CR", ["sex"])
    found = {
        (bool(yes), int(level)): int(n)
        for yes, level, n in zip(sample.achieved, sample.levels["sex"], sample.weight, strict=True)
    }
    assert found == {(True, 0): 3, (True, 1): 1, (False, 1): 2}
    assert inputs.not_evaluable("CR") == 1


def test_endpoint_that_nobody_was_assessed_for_is_not_computable(marts: Marts) -> None:
    marts.connection.execute(
        "update marts.outcomes set event_kind = 'not_evaluable', achieved = false where endpoint = 'CR'"
    )
    inputs = StudyInputs(marts.connection, Study())
    with pytest.raises(NotComputableError, match="no included patient was assessed for CR"):
        inputs.binary("CR")
    with pytest.raises(NotComputableError, match="assessed for CR"):
        inputs.subgroup_counts("CR", ["sex"])


def test_switch_day_is_missing_without_a_change_and_after_the_end_of_follow_up(
    inputs: StudyInputs, marts: Marts
) -> None:
    sample = inputs.counting_process("OS", "bridged_to_hsct", ["sex"])
    rows = sorted(
        (float(time), bool(event), -1 if np.isnan(switch) else float(switch), int(level), float(n))
        for time, event, switch, level, n in zip(
            sample.time_days, sample.event, sample.switch_day, sample.levels["sex"], sample.weight, strict=True
        )
    )
    assert rows == [
        (30, True, -1, 1, 1),
        (100, False, -1, 1, 1),
        (100, True, -1, 1, 1),
        (100, True, 50, 0, 1),
        (200, False, 60, 0, 1),
        (200, False, 100, 0, 1),
    ]
    marts.connection.execute("update marts.outcomes set event_date = date '2020-01-01' where endpoint = 'HSCT_BRIDGE'")
    reread = StudyInputs(marts.connection, Study())
    assert np.isnan(reread.counting_process("OS", "bridged_to_hsct").switch_day).all()


def test_switch_days_of_endpoints_from_remission_count_from_the_remission(inputs: StudyInputs, marts: Marts) -> None:
    for key, remission, end in (("a", 20, 80), ("d", 70, 130)):
        marts.add_time(key, "TIME_TO_CR", remission, True, event_kind="complete_remission")
        marts.add_time(key, "RFS", end, False, event_kind="censored")
    sample = inputs.counting_process("RFS", "bridged_to_hsct")
    # a: transplanted on day 50, 30 days into remission; d: transplanted on day 60, before the remission of day 70.
    assert sorted(zip(sample.time_days, sample.switch_day, strict=True)) == [(80, 30), (130, 0)]


def test_baseline_covariate_has_no_switch_time(inputs: StudyInputs) -> None:
    with pytest.raises(NotComputableError, match="no date on which sex changes"):
        inputs.counting_process("OS", "sex")


def test_competing_events_are_told_apart_from_censoring(inputs: StudyInputs, marts: Marts) -> None:
    marts.add_time("a", "RELAPSE", 40, True, event_kind="relapse")
    marts.add_time("b", "RELAPSE", 50, False, event_kind="death")
    marts.add_time("c", "RELAPSE", 60, False, event_kind="censored")
    marts.add_time("a", "RFS", 40, False, event_kind="death")
    sample = inputs.time_to_event("RELAPSE")
    assert sample.cause.tolist() == [EVENT, COMPETING, 0]
    # Only the two competing endpoints have a competing cause.
    assert inputs.time_to_event("RFS").cause.tolist() == [0]


def test_subgroup_counts_in_one_pass_equal_the_hand_count(inputs: StudyInputs) -> None:
    assert inputs.subgroup_counts("CR", ["sex", "refractory"]) == {
        "sex": {0: (3, 0), 1: (1, 2), -1: (0, 0)},
        "refractory": {0: (2, 1), 1: (2, 0), -1: (0, 1)},
    }


def test_unknown_outcome_counts_as_not_achieved_in_subgroups_too(inputs: StudyInputs, marts: Marts) -> None:
    marts.connection.execute("update marts.outcomes set achieved = null where endpoint = 'CR' and patient_key = 'e'")
    assert inputs.subgroup_counts("CR", ["sex"])["sex"] == {0: (3, 0), 1: (1, 2), -1: (0, 0)}


def test_numeric_summary_by_hand(inputs: StudyInputs) -> None:
    summary = inputs.numeric_summaries({"age_years": 1.0, "wbc": 1.0})
    age, wbc = summary["age_years"], summary["wbc"]
    # 10 17 18 25 40 61: median (18 + 25) / 2, mean 171 / 6, squared deviations 1785.5.
    assert (age.n, age.median, age.minimum, age.maximum, age.mean, age.decimals) == (6, 21.5, 10, 61, 28.5, 0)
    assert age.sd == pytest.approx((1785.5 / 5) ** 0.5, rel=1e-12)
    assert (wbc.n, wbc.median, wbc.decimals) == (5, 29.9, 1)


def test_values_are_given_in_the_unit_asked_for(inputs: StudyInputs, marts: Marts) -> None:
    marts.connection.execute("update marts.patients set cells_per_kg = 1500000 * (1 + (patient_key = 'a')::integer)")
    summary = inputs.numeric_summaries({"cells_per_kg": 1e6})["cells_per_kg"]
    assert (summary.minimum, summary.maximum, summary.decimals, summary.exact) == (1.5, 3.0, 1, True)
    assert inputs.distribution("cells_per_kg", 1e6).value.tolist() == [1.5, 3.0]


def test_distribution_counts_equal_values_together(inputs: StudyInputs, marts: Marts) -> None:
    marts.connection.execute("update marts.patients set age_years = 17 where patient_key = 'a'")
    distribution = inputs.distribution("age_years")
    assert distribution.value.tolist() == [17, 18, 25, 40, 61]
    assert distribution.weight.tolist() == [2, 1, 1, 1, 1]


def test_range_counts_take_the_lower_and_leave_the_upper_bound(inputs: StudyInputs) -> None:
    assert inputs.range_counts("age_years", [(None, 18), (18, 25), (25, None)]) == [2, 1, 3]


def test_adverse_events_of_the_excluded_and_of_the_untransplanted_do_not_count(
    inputs: StudyInputs, marts: Marts
) -> None:
    marts.add_adverse_event("a", "CRS", 3)
    marts.add_adverse_event("b", "CRS", 3)
    marts.add_adverse_event("c", "fever", None, parent_term="CRS")
    marts.add_adverse_event("a", "GVHD", 2, phase="hsct")
    marts.add_adverse_event("b", "GVHD", 2, phase="hsct")
    found = [(c.phase, c.parent_term, c.term, c.grade, c.n) for c in inputs.adverse_event_counts()]
    assert sorted(found, key=str) == [
        ("cart", "CRS", "fever", None, 1),
        ("cart", None, "CRS", 3, 2),
        ("hsct", None, "GVHD", 2, 1),
    ]
    assert inputs.transplanted() == 3


def test_transplants_after_the_bridging_window_count_where_the_mart_knows_their_date(marts: Marts) -> None:
    marts.connection.execute("alter table marts.patients add column hsct_date date")
    marts.connection.execute(
        "update marts.patients set hsct_date = date '2017-01-01' where patient_key in ('a', 'b', 'g')"
    )
    marts.add_adverse_event("b", "GVHD", 2, phase="hsct")
    inputs = StudyInputs(marts.connection, Study())
    assert inputs.transplanted() == 2
    assert [count.n for count in inputs.adverse_event_counts()] == [1]


def test_cohort_flow_falls_back_on_the_reasons_of_the_patients(inputs: StudyInputs) -> None:
    assert inputs.cohort_flow() == [FlowStep(0, "patients known", 0, 8), FlowStep(1, "no CAR-T infusion", 2, 6)]


def test_cohort_flow_is_the_marts_own_where_there_is_one(marts: Marts) -> None:
    marts.connection.execute(
        "create table marts.cohort_flow as select * from "
        "(values (1, 'infused', 2, 6), (0, 'patients known', 0, 8)) as t(step, criterion, n_excluded, n_remaining)"
    )
    flow = StudyInputs(marts.connection, Study()).cohort_flow()
    assert flow == [FlowStep(0, "patients known", 0, 8), FlowStep(1, "infused", 2, 6)]


def test_swimmer_lanes_hold_each_patients_dates_longest_first(inputs: StudyInputs, marts: Marts) -> None:
    marts.add_time("a", "TIME_TO_CR", 15, True, event_kind="complete_remission", event_date=day(15))
    marts.add_time("b", "TIME_TO_CR", 100, False, event_kind="censored", event_date=day(100))
    marts.add_time("a", "EFS", 70, True, event_kind="relapse", event_date=day(70))
    marts.add_time("c", "EFS", 30, True, event_kind="treatment_failure", event_date=day(30))
    lanes = inputs.swimmer_lanes(10).set_index("patient_key")
    assert list(lanes.index) == ["d", "f", "a", "b", "c", "e"]
    days = (lanes.drop(columns="died") * 30.4375).round(6)
    assert days.loc["a"].tolist()[:2] == [100, 15]
    assert (days.loc["a", "hsct"], days.loc["a", "relapse"]) == (50, 70)
    assert np.isnan(days.loc["b", "remission"])
    assert np.isnan(days.loc["b", "hsct"])
    assert days.loc["c", "treatment_failure"] == 30
    assert lanes["died"].to_dict() == {"a": True, "b": True, "c": False, "d": False, "e": True, "f": False}


def test_swimmer_lanes_hold_transplants_after_the_bridging_window_too(marts: Marts) -> None:
    marts.connection.execute("alter table marts.patients add column hsct_date date")
    for key, study_day in (("a", 50), ("b", 62), ("d", 63), ("f", 90)):
        marts.connection.execute("update marts.patients set hsct_date = ? where patient_key = ?", [day(study_day), key])
    lanes = StudyInputs(marts.connection, Study()).swimmer_lanes(10).set_index("patient_key")
    days = (lanes["hsct"].dropna() * 30.4375).round(6)
    assert days.to_dict() == {"a": 50, "b": 62, "d": 63, "f": 90}


def test_swimmer_lanes_stop_at_the_limit_by_key(inputs: StudyInputs) -> None:
    assert sorted(inputs.swimmer_lanes(2)["patient_key"]) == ["a", "b"]


def test_unknown_covariate_names_the_nearest(inputs: StudyInputs) -> None:
    with pytest.raises(NotComputableError, match="no covariate 'refractry'; did you mean 'refractory'"):
        inputs.covariate("refractry")


def test_missing_column_says_which_and_what_to_do(marts: Marts) -> None:
    marts.connection.execute("alter table marts.patients rename column wbc to white_cells")
    with pytest.raises(MartsError, match=r"marts\.patients has no column 'wbc'"):
        StudyInputs(marts.connection, Study()).level_counts(["wbc"])


def test_missing_table_says_to_build_the_marts(marts: Marts) -> None:
    marts.connection.execute("drop table marts.patients")
    with pytest.raises(MartsError, match=r"no table marts\.patients; build the marts"):
        StudyInputs(marts.connection, Study()).level_counts(["wbc"])


@pytest.mark.parametrize("read", [lambda i: i.time_to_event("DOR"), lambda i: i.event_times("TIME_TO_CR")])
def test_endpoint_without_rows_is_not_computable(inputs: StudyInputs, read: Callable[[StudyInputs], object]) -> None:
    with pytest.raises(NotComputableError, match=r"no included patient has"):
        read(inputs)


def test_values_of_the_study_file_are_bound_never_pasted(marts: Marts) -> None:
    marts.connection.execute("update marts.patients set cart_target = 'CD19'")
    hostile = Covariate(name="target", label="T", column="cart_target", equals="CD19' or '1'='1", levels=("a", "b"))
    study = Study().model_copy(update={"covariates": (hostile,)})
    assert StudyInputs(marts.connection, study).level_counts(["target"])["target"] == LevelCounts(6, 0, 0)


def test_covariates_after_time_zero_are_marked(inputs: StudyInputs) -> None:
    marked = {c.name for c in Study().covariates if inputs.covariate(c.name).after_time_zero}
    assert marked == {"mrd_negative_cr", "bridged_to_hsct"}


def test_two_readers_on_one_connection_keep_apart(inputs: StudyInputs, marts: Marts) -> None:
    assert inputs.level_counts(["age"])["age"] == LevelCounts(2, 4, 0)
    threshold = [
        covariate.model_copy(update={"at_least": 60}) if covariate.name == "age" else covariate
        for covariate in Study().covariates
    ]
    other = StudyInputs(marts.connection, Study().model_copy(update={"covariates": tuple(threshold)}))
    assert other.level_counts(["age"])["age"] == LevelCounts(5, 1, 0)
    assert inputs.time_to_event("OS", ["age"]).levels["age"].tolist() == [1, 1, 0, 1]


def test_what_the_reader_makes_stays_out_of_the_warehouse(inputs: StudyInputs, marts: Marts) -> None:
    inputs.time_to_event("OS", ["sex"])
    kept = marts.connection.execute("select count(*) from duckdb_tables() where not temporary").fetchall()
    assert kept == [(3,)]


def test_study_without_covariates_still_has_samples(marts: Marts) -> None:
    inputs = StudyInputs(marts.connection, Study().model_copy(update={"covariates": ()}))
    assert inputs.time_to_event("OS").weight.tolist() == [1, 1, 2, 2]
    assert inputs.binary("CR").n == 6


def test_moments_of_values_that_occur_several_times(inputs: StudyInputs, marts: Marts) -> None:
    # Ages 1, 1, 1, 1, 4, 4: mean 2, sum of squares 12; third moment 2 over (second moment 2) ** 1.5.
    marts.connection.execute("update marts.patients set age_years = if(patient_key in ('a', 'b'), 4, 1)")
    summary = inputs.numeric_summaries({"age_years": 1.0})["age_years"]
    assert (summary.n, summary.median, summary.mean) == (6, 1.0, 2.0)
    assert summary.sd == pytest.approx((12 / 5) ** 0.5, rel=1e-12)
    assert summary.skewness == pytest.approx(2 / 2**1.5 * 30**0.5 / 4, rel=1e-12)
    assert summary.excess_kurtosis == pytest.approx(6 / 4 - 3, rel=1e-12)


def test_marts_without_patients_are_read_to_their_end() -> None:
    inputs = StudyInputs(Marts().connection, Study())
    assert inputs.level_counts(["age"]) == {"age": LevelCounts(0, 0, 0)}
    assert inputs.adverse_event_counts() == []
    assert inputs.numeric_summaries({"wbc": 1.0})["wbc"].median is None
    for ask in (lambda: inputs.binary("CR"), lambda: inputs.counting_process("OS", "bridged_to_hsct")):
        with pytest.raises(NotComputableError):
            ask()
