"""Kaplan-Meier, quantiles, landmarks, restricted means and log-rank: by hand, against R and SPSS, and by properties."""

from __future__ import annotations

import csv
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines.datasets import load_lung

from analysis_assets.conventions import CONVENTIONS, convention, ordered_conventions
from analysis_assets.cox import CoxSample, fit_cox
from analysis_assets.survival import (
    SurvivalCurve,
    kaplan_meier,
    log_rank,
    quantile,
    quantile_with_interval,
    restricted_mean,
    reverse_kaplan_meier,
    survival_at,
    survival_interval,
    weighted_median,
)
from tests.oracles.reading import ORACLES, answers, simulated_patients

RECIPE = answers("r/recipe.json")
GOLDEN = answers("r/golden.json")
SPSS = answers("spss31/median.json")
INTERVAL_OF = {"plain": "spss", "log": "r", "log-log": "sas"}


SIM = simulated_patients()
LUNG = load_lung()
LUNG_TIME, LUNG_EVENT = LUNG["time"].to_numpy(float), LUNG["status"].to_numpy() == 1


def or_nan(values: list[float | None]) -> list[float]:
    return [float("nan") if value is None else float(value) for value in values]


# ---- by hand --------------------------------------------------------------------------------------------------------
# Six patients: events on days 2, 4, 4, 9; censored on days 4 and 6.
#   day 2: 6 at risk, 1 event          S = 5/6
#   day 4: 5 at risk, 2 events, 1 lost  S = 5/6 * 3/5 = 1/2
#   day 6: 2 at risk, lost              S = 1/2
#   day 9: 1 at risk, 1 event           S = 0
HAND_TIME = np.array([2.0, 4, 4, 9, 4, 6])
HAND_EVENT = np.array([True, True, True, True, False, False])


def hand() -> SurvivalCurve:
    return kaplan_meier(HAND_TIME, HAND_EVENT)


def test_six_patients_by_hand() -> None:
    curve = hand()
    assert curve.time.tolist() == [2, 4, 6, 9]
    assert curve.n_at_risk.tolist() == [6, 5, 2, 1]
    assert curve.n_events.tolist() == [1, 2, 0, 1]
    assert curve.n_censored.tolist() == [0, 1, 1, 0]
    assert curve.survival == pytest.approx([5 / 6, 1 / 2, 1 / 2, 0], rel=1e-12)
    greenwood_day_4 = 0.5 * math.sqrt(1 / (6 * 5) + 2 / (5 * 3))
    assert curve.std_error[:3] == pytest.approx(
        [5 / 6 * math.sqrt(1 / 30), greenwood_day_4, greenwood_day_4], rel=1e-12
    )
    assert math.isnan(curve.std_error[3])


def test_median_of_a_curve_flat_at_one_half_is_its_first_day_in_spss_and_the_midpoint_in_r_and_sas() -> None:
    # S = 1/2 from day 4 to day 9: SPSS says 4, survfit and LIFETEST say 6.5.
    assert quantile_with_interval(hand(), CONVENTIONS["spss"]).value == 4
    assert quantile_with_interval(hand(), CONVENTIONS["r"]).value == 6.5
    assert quantile_with_interval(hand(), CONVENTIONS["sas"]).value == 6.5


def test_restricted_mean_by_hand() -> None:
    # Area to day 6: 2 * 1 + 2 * 5/6 + 2 * 1/2 = 14/3. Areas still to come after days 2 and 4: 8/3 and 1.
    mean = restricted_mean(hand(), 6)
    assert mean.mean == pytest.approx(14 / 3, rel=1e-12)
    assert mean.std_error == pytest.approx(math.sqrt((8 / 3) ** 2 / 30 + 2 / 15), rel=1e-12)
    with pytest.raises(ValueError, match="past the last follow-up 9"):
        restricted_mean(hand(), 10)


def test_log_rank_of_six_patients_by_hand() -> None:
    # Group A: events on days 1 and 3, lost on day 5. Group B: event on day 2, lost on day 4, event on day 6.
    #   day 1: 6 at risk, 3 in A: E_A 1/2, V 1/4        day 2: 5 at risk, 2 in A: E_A 2/5, V 6/25
    #   day 3: 4 at risk, 2 in A: E_A 1/2, V 1/4        day 6: 1 at risk, 0 in A
    time = np.array([1.0, 3, 5, 2, 4, 6])
    event = np.array([True, True, False, True, False, True])
    group = np.array([0, 0, 0, 1, 1, 1])
    result = log_rank(time, event, group)
    assert result.expected[0] == pytest.approx(1.4, rel=1e-12)
    assert result.observed.tolist() == [2, 2]
    assert result.statistic == pytest.approx((2 - 1.4) ** 2 / 0.74, rel=1e-12)
    assert result.df == 1


# ---- R --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("transform", ["log", "log-log"])
def test_quantiles_and_intervals_of_the_lung_data_equal_r(transform: str) -> None:
    curve, expected = kaplan_meier(LUNG_TIME, LUNG_EVENT), GOLDEN["lung_km"][f"quantiles_{transform}"]
    found = [quantile_with_interval(curve, CONVENTIONS[INTERVAL_OF[transform]], p) for p in (0.25, 0.5, 0.75)]
    assert [f.value for f in found] == expected["q"]
    assert [f.ci_low for f in found] == expected["lo"]
    assert [f.ci_high for f in found] == expected["hi"]


@pytest.mark.parametrize("transform", ["plain", "log", "log-log"])
def test_survival_at_times_of_the_lung_data_equals_r(transform: Any) -> None:
    curve = kaplan_meier(LUNG_TIME, LUNG_EVENT)
    for expected in GOLDEN["lung_km"][f"surv_at_{transform}"]:
        found = survival_at(curve, expected["time"], transform)
        assert [found.survival, found.std_error, found.ci_low, found.ci_high] == pytest.approx(
            [expected["surv"], expected["se"], expected["lo"], expected["hi"]], rel=1e-9
        )
        assert found.n_at_risk == expected["nrisk"]


def test_restricted_mean_and_reverse_kaplan_meier_of_the_lung_data_equal_r() -> None:
    mean = restricted_mean(kaplan_meier(LUNG_TIME, LUNG_EVENT))
    assert [mean.mean, mean.std_error] == pytest.approx(GOLDEN["lung_km"]["rmst_max"], rel=1e-9)
    potential = quantile_with_interval(reverse_kaplan_meier(LUNG_TIME, LUNG_EVENT), CONVENTIONS["r"])
    assert [potential.value, potential.ci_low, potential.ci_high] == GOLDEN["lung_km"]["reverseKM_median"]


@pytest.mark.parametrize("rho", [0, 1])
def test_log_rank_of_the_lung_data_equals_r(rho: int) -> None:
    found = log_rank(LUNG_TIME, LUNG_EVENT, LUNG["sex"].to_numpy(), rho=rho)
    assert [found.statistic, found.df, found.p_value] == pytest.approx(GOLDEN["lung_km"][f"logrank_rho{rho}"], rel=1e-9)


@pytest.mark.parametrize("rho", [0, 1])
def test_log_rank_of_three_groups_with_ties_equals_r(rho: int) -> None:
    found = log_rank(SIM["time"], SIM["cause"] > 0, SIM["g"].astype(int), rho=rho)
    assert [found.statistic, found.df, found.p_value] == pytest.approx(RECIPE["logrank"][f"rho{rho}"], rel=1e-9)


@pytest.mark.parametrize("transform", ["log", "log-log"])
@pytest.mark.parametrize("group", [0, 1, 2])
def test_quantiles_of_groups_with_ties_equal_r(transform: str, group: int) -> None:
    kept = SIM["g"] == group
    curve = kaplan_meier(SIM["time"][kept], SIM["cause"][kept] > 0)
    expected = RECIPE["km"][transform]
    found = [quantile_with_interval(curve, CONVENTIONS[INTERVAL_OF[transform]], p) for p in (0.25, 0.5, 0.75)]
    for name, values in (
        ("quantile", [f.value for f in found]),
        ("lower", [f.ci_low for f in found]),
        ("upper", [f.ci_high for f in found]),
    ):
        np.testing.assert_allclose(values, or_nan(expected[name][group]), rtol=1e-12)


@pytest.mark.parametrize("transform", ["plain", "log", "log-log"])
def test_curve_with_ties_equals_r(transform: Any) -> None:
    curve, expected = kaplan_meier(SIM["time"], SIM["cause"] > 0), RECIPE["km"][f"curve_{transform}"]
    steps = curve.n_events > 0
    low, high = survival_interval(curve.survival, curve.std_error, transform)
    for found, name in ((curve.survival, "surv"), (curve.std_error, "se"), (low, "lower"), (high, "upper")):
        np.testing.assert_allclose(found[steps], or_nan(expected[name]), rtol=1e-9)


def test_flat_median_equals_r() -> None:
    event = np.array([True] * 4 + [False] + [True] * 3)
    found = quantile_with_interval(kaplan_meier(np.arange(1.0, 9), event), CONVENTIONS["r"])
    assert found.value == RECIPE["flat_median"]


# ---- SPSS -----------------------------------------------------------------------------------------------------------
def spss_patients(group: str) -> tuple[SurvivalCurve, list[dict[str, str]]]:
    """The patients behind SPSS's printed steps: whoever left without an event left right after a step."""
    with (ORACLES / "spss31" / "kaplan_meier.csv").open(encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if row["group"] == group]
    times, events, weights = [0.5], [False], [float(rows[0]["n"]) - float(rows[0]["n_at_risk"])]
    for row, following in zip(rows, [*rows[1:], {"n_at_risk": "0"}], strict=True):
        died = float(row["n_events"])
        lost = float(row["n_at_risk"]) - died - float(following["n_at_risk"])
        times += [float(row["time"]), float(row["time"]) + 0.5]
        events += [True, False]
        weights += [died, lost]
    kept = np.array(weights) > 0
    return kaplan_meier(np.array(times)[kept], np.array(events)[kept], np.array(weights)[kept]), rows


@pytest.mark.parametrize("group", ["1", "2"])
def test_survival_standard_errors_and_median_equal_spss_31(group: str) -> None:
    curve, rows = spss_patients(group)
    steps = curve.n_events > 0
    assert curve.survival[steps] == pytest.approx([float(row["survival"]) for row in rows], rel=1e-12)
    assert curve.std_error[steps] == pytest.approx([float(row["std_error"]) for row in rows], rel=1e-12)
    expected = next(row for row in SPSS["median"] if row["group"] == float(group))
    found = quantile_with_interval(curve, CONVENTIONS["spss"])
    assert [found.value, found.std_error] == pytest.approx([expected["median"], expected["std_error"]], rel=1e-6)
    # SPSS's limits are 1.96 standard errors away, ours 1.959964; at the digits that SPSS shows in its table they agree.
    assert (expected["ci_high"] - expected["median"]) / expected["std_error"] == pytest.approx(1.96, rel=1e-9)
    assert (found.ci_high - found.value) / found.std_error == pytest.approx(1.959963985, rel=1e-9)
    assert [f"{found.ci_low:.1f}", f"{found.ci_high:.1f}"] == [
        f"{expected[name]:.1f}" for name in ("ci_low", "ci_high")
    ]


# ---- edges ----------------------------------------------------------------------------------------------------------
def test_a_median_that_is_not_reached_is_nan_and_never_the_last_day() -> None:
    curve = kaplan_meier(np.array([1.0, 2, 3, 4]), np.array([True, False, False, False]))
    for rules in CONVENTIONS.values():
        assert math.isnan(quantile_with_interval(curve, rules).value)


def test_no_estimate_past_the_last_follow_up() -> None:
    curve = kaplan_meier(np.array([1.0, 2, 3, 4]), np.array([True, False, False, False]))
    assert survival_at(curve, 4, "log").survival == pytest.approx(0.75, rel=1e-12)
    past = survival_at(curve, 4.01, "log")
    assert math.isnan(past.survival)
    assert past.n_at_risk == 0


def test_survival_before_the_first_event_is_one_without_spread() -> None:
    found = survival_at(hand(), 1, "log-log")
    assert (found.survival, found.std_error, found.ci_low, found.ci_high, found.n_at_risk) == (1, 0, 1, 1, 6)


def test_spss_has_no_standard_error_of_a_median_without_a_step_above_fifty_five_percent() -> None:
    # The first event already takes the curve from 1 to 2/5.
    curve = kaplan_meier(np.array([1.0, 1, 1, 5, 7]), np.array([True, True, True, True, True]))
    found = quantile_with_interval(curve, CONVENTIONS["spss"])
    assert found.value == 1
    assert math.isnan(found.std_error)
    assert math.isnan(found.ci_low)
    assert math.isnan(found.ci_high)


def test_a_step_that_should_be_exactly_fifty_five_percent_counts_as_such() -> None:
    # 20 patients, events on days 1, 4, 9, ...: after nine S is 11/20, after eleven 9/20, which as products of fractions
    # may miss 0.55 and 0.45 by rounding.
    curve = kaplan_meier(np.arange(1.0, 21) ** 2, np.ones(20, dtype=bool))
    found = quantile_with_interval(curve, CONVENTIONS["spss"])
    density = (11 / 20 - 9 / 20) / (11**2 - 9**2)
    assert found.std_error == pytest.approx(math.sqrt(0.25 / 20) / density, rel=1e-9)


def test_log_rank_says_nothing_of_groups_never_at_risk_together() -> None:
    result = log_rank(np.array([1.0, 2, 3, 4]), np.array([False, False, True, True]), np.array([0, 0, 1, 1]))
    assert math.isnan(result.statistic)
    assert math.isnan(log_rank(np.array([1.0, 2]), np.array([True, True]), np.array([1, 1])).statistic)


def test_an_unknown_convention_is_told_with_the_valid_ones() -> None:
    with pytest.raises(KeyError, match="valid: spss, r, sas"):
        convention("stata")
    assert [rules.name for rules in ordered_conventions("sas")] == ["sas", "spss", "r"]


@pytest.mark.parametrize(
    ("values", "weight", "expected"),
    [
        ([5.0, 1, 3], [1.0, 1, 1], 3),
        ([1.0, 2, 3, 4], [1.0, 1, 1, 1], 2.5),
        ([1.0, 10], [3.0, 1], 1),
        ([1.0, 10], [2.0, 2], 5.5),
    ],
)
def test_weighted_median(values: list[float], weight: list[float], expected: float) -> None:
    assert weighted_median(np.array(values), np.array(weight)) == expected


# ---- properties -----------------------------------------------------------------------------------------------------
patients = st.lists(
    st.tuples(st.integers(0, 12), st.booleans(), st.integers(0, 2), st.integers(1, 4)), min_size=4, max_size=25
)


def columns(rows: list[tuple[int, bool, int, int]]) -> tuple[np.ndarray[Any, Any], ...]:
    time, event, group, weight = (np.array(column) for column in zip(*rows, strict=True))
    return time.astype(float), event, group, weight.astype(float)


@given(patients)
@settings(max_examples=60, deadline=None)
def test_a_weight_is_that_many_equal_patients(rows: list[tuple[int, bool, int, int]]) -> None:
    time, event, group, weight = columns(rows)
    repeated = np.repeat(np.arange(len(time)), weight.astype(int))
    one, many = kaplan_meier(time, event, weight), kaplan_meier(time[repeated], event[repeated])
    np.testing.assert_allclose(one.survival, many.survival, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one.std_error, many.std_error, rtol=1e-9, atol=1e-12)
    test, expected = log_rank(time, event, group, weight), log_rank(time[repeated], event[repeated], group[repeated])
    np.testing.assert_allclose(test.statistic, expected.statistic, rtol=1e-6, atol=1e-9)


@given(patients, st.permutations(list(range(4))), st.floats(0.5, 40))
@settings(max_examples=60, deadline=None)
def test_order_names_and_time_unit_change_nothing(
    rows: list[tuple[int, bool, int, int]], names: list[int], unit: float
) -> None:
    time, event, group, weight = columns(rows)
    renamed = np.array(names)[group]
    plain = log_rank(time, event, group, weight)
    other = log_rank((time * unit)[::-1], event[::-1], renamed[::-1], weight[::-1])
    np.testing.assert_allclose(plain.statistic, other.statistic, rtol=1e-6, atol=1e-9)
    curve, scaled = kaplan_meier(time, event, weight), kaplan_meier(time * unit, event, weight)
    for probability in (0.25, 0.5, 0.75):
        np.testing.assert_allclose(quantile(curve, probability) * unit, quantile(scaled, probability), rtol=1e-9)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=6, max_size=20))
@settings(max_examples=60, deadline=None)
def test_without_ties_the_log_rank_test_of_two_groups_is_the_score_test_of_cox(rows: list[tuple[bool, bool]]) -> None:
    time = np.arange(1.0, len(rows) + 1)
    event, group = np.array([row[0] for row in rows]), np.array([row[1] for row in rows]).astype(int)
    test = log_rank(time, event, group)
    if not math.isnan(test.statistic):
        sample = CoxSample(time, event, group[:, None].astype(float), np.ones(len(rows)))
        assert fit_cox(sample, "breslow", max_iterations=1).score_test.statistic == pytest.approx(
            test.statistic, rel=1e-9, abs=1e-12
        )


@given(patients)
@settings(max_examples=40, deadline=None)
def test_intervals_hold_the_estimate_within_zero_and_one(rows: list[tuple[int, bool, int, int]]) -> None:
    time, event, _, weight = columns(rows)
    curve = kaplan_meier(time, event, weight)
    for rules in CONVENTIONS.values():
        low, high = survival_interval(curve.survival, curve.std_error, rules.km_interval)
        known = np.isfinite(low)
        assert np.all(low[known] <= curve.survival[known] + 1e-12)
        assert np.all(high[known] >= curve.survival[known] - 1e-12)
        assert np.all((low[known] >= 0) & (high[known] <= 1))
