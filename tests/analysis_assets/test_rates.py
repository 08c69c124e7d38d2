"""Intervals, 2x2 tests and rounding against closed forms, the paper's own figures and counts worked by hand."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis_assets.inputs import StudyInputs
from analysis_assets.rates import (
    CLOPPER_PEARSON,
    WILSON,
    count_text,
    mean_text,
    median_text,
    percent_text,
    proportion_interval,
    response_rates,
    rounded,
    shape_p_value,
    two_by_two,
)
from study import Study
from tests.analysis_assets.marts_fixture import Marts


def upper_tail(k: int, n: int, p: float) -> float:
    """P(X >= k), summed term by term."""
    return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))


@pytest.mark.parametrize(("k", "n"), [(36, 39), (30, 39), (1, 7), (17, 39)])
def test_clopper_pearson_bounds_leave_two_and_a_half_percent_on_either_side(k: int, n: int) -> None:
    interval = proportion_interval(k, n)
    assert upper_tail(k, n, interval.low) == pytest.approx(0.025, rel=1e-6)
    assert 1 - upper_tail(k + 1, n, interval.high) == pytest.approx(0.025, rel=1e-6)


def test_clopper_pearson_of_none_and_of_all_has_its_closed_form() -> None:
    none, everybody = proportion_interval(0, 12), proportion_interval(12, 12)
    assert (none.low, everybody.high) == (0.0, 1.0)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 12), rel=1e-9)
    assert everybody.low == pytest.approx(0.025 ** (1 / 12), rel=1e-9)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_bounds_solve_the_score_equation(counts: tuple[int, int]) -> None:
    k, n = counts
    z = 1.959963984540054
    interval = proportion_interval(k, n, WILSON)
    for bound in (interval.low, interval.high):
        assert (k / n - bound) ** 2 == pytest.approx(z**2 * bound * (1 - bound) / n, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(("n", "total"), [(1, 0), (-1, 5), (6, 5)])
def test_impossible_proportion_is_refused(n: int, total: int) -> None:
    with pytest.raises(ValueError, match="no proportion"):
        proportion_interval(n, total)


def test_unknown_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown interval 'wald'"):
        proportion_interval(1, 5, "wald")


@pytest.mark.parametrize(
    ("n", "total", "expected"),
    [
        (36, 39, "92.3"),
        (7, 39, "17.9"),
        (23, 39, "59.0"),
        (4, 17, "23.5"),
        (1, 8, "12.5"),
        (1, 2000, "0.1"),
        (0, 5, "0.0"),
    ],
)
def test_percent_has_one_decimal(n: int, total: int, expected: str) -> None:
    assert percent_text(n, total) == expected


def test_a_half_is_rounded_away_from_zero() -> None:
    assert percent_text(1, 160) == "0.6"  # 0.625
    assert percent_text(1, 2000) == "0.1"  # 0.05
    assert [rounded(value, 1) for value in (0.25, 0.35, -0.25, 2.675)] == ["0.3", "0.4", "-0.3", "2.7"]
    assert rounded(1.005, 2) == "1.01"


def test_texts_of_counts_and_measurements() -> None:
    assert count_text(36, 39) == "36 (92.3)"
    assert count_text(0, 0) == "0"
    assert mean_text(13.583333, 7.739970, 0) == "13.6 ± 7.7"
    assert median_text(13, 1, 57, 0) == "13 (1–57)"
    assert median_text(13.5, 5, 42, 0) == "13.5 (5–42)"
    assert median_text(35.76, 0.7, 850.6, 2) == "35.76 (0.70–850.60)"


@pytest.mark.parametrize(("exact", "said"), [(True, "1.005 (1.00–1.01)"), (False, "1.01 (1.00–1.01)")])
def test_a_median_has_a_decimal_more_only_beside_values_that_are_shown_in_full(exact: bool, said: str) -> None:
    assert median_text(1.005, 1.0, 1.01, 2, exact=exact) == said


def test_pearson_by_hand() -> None:
    # 10 20 / 30 40: n (ad - bc)^2 / margins = 100 x 200^2 / (30 x 70 x 40 x 60).
    result = two_by_two(10, 20, 30, 40)
    assert result.statistic == pytest.approx(100 * 200**2 / (30 * 70 * 40 * 60), rel=1e-12)
    assert result.smallest_expected == pytest.approx(12)
    corrected = two_by_two(10, 20, 30, 40, yates=True)
    assert corrected.statistic == pytest.approx(100 * (200 - 50) ** 2 / (30 * 70 * 40 * 60), rel=1e-12)


@pytest.mark.parametrize(
    ("table", "pearson", "fisher"),
    # Printed or proved for the paper's Table 2: white cells, SH2B3 (its print transposes the digits).
    [((19, 0, 17, 3), 0.079, 0.231), ((23, 1, 13, 2), 0.296, 0.547), ((24, 3, 12, 0), 0.229, None)],
)
def test_the_papers_tables(table: tuple[int, int, int, int], pearson: float, fisher: float | None) -> None:
    result = two_by_two(*table)
    assert result.p_value == pytest.approx(pearson, abs=5e-4)
    if fisher is not None:
        assert result.p_fisher == pytest.approx(fisher, abs=5e-4)


def test_yates_reproduces_the_value_that_the_paper_does_not_print() -> None:
    assert two_by_two(23, 1, 13, 2, yates=True).p_value == pytest.approx(0.669, abs=5e-4)


def test_yates_never_turns_the_difference_round() -> None:
    assert two_by_two(5, 5, 5, 6, yates=True).statistic == 0


def test_fisher_by_enumeration() -> None:
    # 3 1 / 1 3: margins 4 4 / 4 4, 70 tables; those at most as likely as 16/70: 0, 1, 3, 4 in the corner = 34/70.
    assert two_by_two(3, 1, 1, 3).p_fisher == pytest.approx(34 / 70, rel=1e-9)


def test_no_test_where_a_margin_is_empty() -> None:
    for table in ((5, 0, 7, 0), (0, 0, 4, 3), (0, 0, 0, 0)):
        result = two_by_two(*table)
        assert (result.statistic, result.p_value, result.p_fisher) == (None, None, None)


def test_shape_of_few_or_equal_values_is_not_tested() -> None:
    assert shape_p_value(np.array([1.0, 2.0]), np.array([1.0, 1.0]), None, None) == ("none", None)
    assert shape_p_value(np.array([4.0]), np.array([9.0]), None, None) == ("none", None)


def test_shapiro_wilk_sees_every_patient_of_a_weighted_value() -> None:
    # Royston's example of AS R94: 20 values, W = 0.79 of a skewed sample; weights must unfold to the same sample.
    values = np.array([148, 154, 158, 160, 161, 162, 166, 170, 182, 195, 236], dtype=float)
    name, p_value = shape_p_value(values, np.ones(11), None, None)
    assert name == "Shapiro-Wilk"
    # Shapiro & Wilk 1965, men's weights: W = 0.79, P below 0.01; R gives 0.006704.
    assert p_value == pytest.approx(0.006704, rel=1e-3)
    doubled = shape_p_value(values, np.full(11, 2.0), None, None)[1]
    assert doubled is not None
    assert p_value is not None
    assert doubled < p_value / 5


def test_large_samples_are_judged_by_their_moments() -> None:
    name, p_value = shape_p_value(np.array([1.0, 2.0]), np.array([6000.0, 6000.0]), 0.02, -0.05)
    # 12000 / 6 x (0.02^2 + 0.05^2 / 4) = 2.05; upper tail of chi-square with 2 df = exp(-2.05 / 2).
    assert name == "Jarque-Bera"
    assert p_value == pytest.approx(np.exp(-2.05 / 2), rel=1e-9)


def test_response_rates_by_hand() -> None:
    marts = Marts()
    for key, achieved, kind in (
        ("a", True, "complete_remission"),
        ("b", False, "no_remission"),
        ("c", False, "not_evaluable"),
        ("d", True, "complete_remission"),
    ):
        marts.add_patient(key)
        marts.add_binary(key, "CR", achieved, event_kind=kind)
    table = response_rates(StudyInputs(marts.connection, Study()), Study())
    exact = table[(table["endpoint"] == "CR") & (table["ci_method"] == CLOPPER_PEARSON)].iloc[0]
    assert (exact["n"], exact["n_total"], exact["pct"], exact["display"]) == (2, 4, 50.0, "2 (50.0)")
    assert exact["n_not_evaluable"] == 1
    assert upper_tail(2, 4, exact["ci_low"] / 100) == pytest.approx(0.025, rel=1e-6)
    assert set(table["ci_method"]) == {CLOPPER_PEARSON, WILSON}
    assert set(table["convention"]) == {"spss"}
    unknown = table[table["endpoint"] == "SEVERE_CRS"].iloc[0]
    assert unknown["note"] == "not computable: no included patient was assessed for SEVERE_CRS"
    assert table["n"].dtype == "Int64"
    assert table.loc[unknown.name, "n"] is not None
    assert table["n"].isna().sum() == 8
