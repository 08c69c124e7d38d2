"""Covariates after time zero: splitting and landmarks by hand, Stanford heart data, and R."""

from __future__ import annotations

import numpy as np
import pytest
from lifelines.datasets import load_stanford_heart_transplants

from analysis_assets.cox import CoxSample, fit_cox
from analysis_assets.multiplicity import benjamini_hochberg
from analysis_assets.protocols import SwitchTimes
from analysis_assets.time_dependent import counting_process, landmark
from tests.oracles.reading import answers, simulated_patients

RECIPE = answers("r/recipe.json")
GOLDEN = answers("r/golden.json")
SIM = simulated_patients()
NEVER = float("nan")


def switch_times(rows: list[tuple[float, bool, float]], weight: list[float] | None = None) -> SwitchTimes:
    time, event, switch = (np.array(column) for column in zip(*rows, strict=True))
    weights = np.ones(len(rows)) if weight is None else np.array(weight)
    return SwitchTimes(time.astype(float), event.astype(bool), switch.astype(float), {}, weights)


def stanford() -> SwitchTimes:
    """One row per patient: end of follow-up, death, day of transplant."""
    rows = load_stanford_heart_transplants().sort_values(["id", "start"])
    last = rows.groupby("id").last()
    transplanted = rows[rows["transplant"] == 1].groupby("id")["start"].first().reindex(last.index)
    return SwitchTimes(
        last["stop"].to_numpy(float),
        last["event"].to_numpy() == 1,
        transplanted.to_numpy(float),
        {},
        np.ones(len(last)),
    )


def simulated() -> SwitchTimes:
    return SwitchTimes(SIM["time"], SIM["cause"] > 0, SIM["switch"], {"x": SIM["x"].astype(np.int8)}, np.ones(150))


# ---- by hand --------------------------------------------------------------------------------------------------------
def test_each_follow_up_is_split_at_its_change() -> None:
    times = switch_times(
        [
            (100, True, 40),  # changed on day 40, died on day 100: two rows
            (100, True, NEVER),  # never changed: one row
            (50, True, 50),  # changed on the day of death: the day ends before the change
            (30, False, 45),  # change after the end: never seen
            (80, False, 0),  # changed before follow-up began: exposed throughout
        ],
        [1, 2, 3, 4, 5],
    )
    sample = counting_process(times)
    assert sample.start is not None
    rows = zip(sample.start, sample.stop, sample.event, sample.x[:, 0], sample.weight, strict=True)
    assert sorted(rows) == [
        (-1, 30, False, 0, 4),
        (-1, 40, False, 0, 1),
        (-1, 50, True, 0, 3),
        (-1, 80, False, 1, 5),
        (-1, 100, True, 0, 2),
        (40, 100, True, 1, 1),
    ]


def test_follow_up_is_neither_lost_nor_gained_by_splitting() -> None:
    sample, times = counting_process(simulated()), simulated()
    assert sample.start is not None
    exposure = float(((sample.stop - np.maximum(sample.start, 0)) * sample.weight).sum())
    assert exposure == pytest.approx(times.time_days.sum(), rel=1e-12)
    assert sample.n_events == times.event.sum()


def test_landmark_keeps_those_still_followed_and_takes_the_covariate_as_it_then_stands() -> None:
    times = switch_times(
        [(60, True, 10), (61, True, 60), (61, False, 61), (200, True, NEVER), (200, False, 90)], [1, 2, 3, 4, 5]
    )
    sample = landmark(times, 60)
    assert list(zip(sample.stop, sample.event, sample.x[:, 0], sample.weight, strict=True)) == [
        (61, True, 1, 2),
        (61, False, 0, 3),
        (200, True, 0, 4),
        (200, False, 0, 5),
    ]


# ---- Stanford heart transplant data ---------------------------------------------------------------------------------
@pytest.mark.parametrize("ties", ["breslow", "efron"])
def test_stanford_naive_and_time_dependent_hazard_ratios_equal_r(ties: str) -> None:
    times = stanford()
    naive = CoxSample(times.time_days, times.event, np.isfinite(times.switch_day)[:, None].astype(float), times.weight)
    for sample, key in ((naive, "stanford_jasa_naive"), (counting_process(times), "stanford_heart_timedep1")):
        fit, expected = fit_cox(sample, ties), GOLDEN[key][ties]  # type: ignore[arg-type]
        ratios = np.exp([fit.coefficients[0], fit.ci_low[0], fit.ci_high[0]])
        np.testing.assert_allclose(ratios, expected["hr"][0], rtol=1e-6)


def test_stanford_figures_as_usually_quoted() -> None:
    times = stanford()
    x = np.isfinite(times.switch_day)[:, None].astype(float)
    naive = fit_cox(CoxSample(times.time_days, times.event, x, times.weight), "breslow")
    dependent = fit_cox(counting_process(times), "breslow")
    assert f"{np.exp(naive.coefficients[0]):.3f}" == "0.268"
    assert f"{np.exp(dependent.coefficients[0]):.2f}" == "1.13"


# ---- R --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("ties", ["breslow", "efron"])
def test_split_rows_with_a_baseline_covariate_equal_r(ties: str) -> None:
    fit, expected = fit_cox(counting_process(simulated()), ties), RECIPE["cox_switch"][ties]  # type: ignore[arg-type]
    np.testing.assert_allclose(fit.coefficients, expected["coef"], rtol=1e-6)
    np.testing.assert_allclose(fit.std_errors, expected["se"], rtol=1e-6)
    np.testing.assert_allclose([fit.null_log_likelihood, fit.log_likelihood], expected["loglik"], rtol=1e-9)


@pytest.mark.parametrize("day", [3, 8])
def test_landmark_models_equal_r(day: int) -> None:
    times = simulated()
    sample = landmark(SwitchTimes(times.time_days, times.event, times.switch_day, {}, times.weight), day)
    fit = fit_cox(sample, "breslow")
    found = [sample.n, sample.n_events, fit.coefficients[0], fit.std_errors[0]]
    np.testing.assert_allclose(found, RECIPE["landmark"][f"day{day}"], rtol=1e-6)


# ---- multiplicity ---------------------------------------------------------------------------------------------------
def test_benjamini_hochberg_by_hand() -> None:
    # Ranked .01 .02 .03 .5 of four tests: .04, .04, .04, .5; a missing P is no test.
    found = benjamini_hochberg([0.5, 0.03, NEVER, 0.01, 0.02])
    np.testing.assert_allclose(found, [0.5, 0.04, NEVER, 0.04, 0.04], rtol=1e-12)


def test_q_values_never_exceed_one_nor_fall_below_their_p() -> None:
    p_values = np.random.default_rng(1).random(50)
    q_values = benjamini_hochberg(p_values.tolist())
    assert np.all(q_values >= p_values)
    assert q_values.max() <= 1
    assert np.all(np.diff(q_values[np.argsort(p_values)]) >= 0)
