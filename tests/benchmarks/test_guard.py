from pathlib import Path

import pytest

from benchmarks.figure import Figure
from benchmarks.guard import accept, guarded_ratio, moved, read_committed


def figure(ratio: float, name: str = "small", **extra: float) -> Figure:
    return Figure(name, "s", ratio * 2.0, 2.0, "peer", 1.5, extra=extra)


@pytest.mark.parametrize(
    ("now", "words"),
    [(1.26, ["worse"]), (1.24, []), (0.81, []), (0.79, ["better"])],
    ids=["26%", "24%", "-19%", "-21%"],
)
def test_only_a_ratio_that_moved_by_more_than_a_quarter_is_told(now: float, words: list[str]) -> None:
    told = [move.sentence().partition(":")[0] for move in moved([figure(now)], {"small": 1.0})]

    assert told == words


@pytest.mark.parametrize(
    ("now", "words"),
    [(0.12, ["worse"]), (0.10, [])],
    ids=["more than a tenth of the goal", "less"],
)
def test_a_move_far_from_the_goal_is_no_news(now: float, words: list[str]) -> None:
    query = Figure("query", "s", now, 1.0, "limit", 1.0)

    assert [move.sentence().partition(":")[0] for move in moved([query], {"query": 0.01})] == words


def test_beside_a_peer_measured_in_the_same_run_it_is() -> None:
    statistics = Figure("statistics", "s", 0.03, 1.0, "R", 0.1)

    assert [move.worse for move in moved([statistics], {"statistics": 0.02})] == [True]


def test_processor_time_is_guarded_where_it_was_measured() -> None:
    assert guarded_ratio(figure(3.0, cpu_ratio=1.2)) == 1.2
    assert guarded_ratio(figure(3.0)) == 3.0


def test_new_and_unmeasured_figures_are_no_news() -> None:
    unmeasured = Figure("small", "s", None, None, "peer (not installed)", 1.5)

    assert moved([unmeasured, figure(9.0, "another")], {"small": 1.0}) == []


def test_a_rounding_difference_is_not_guarded() -> None:
    difference = Figure("difference", "relative difference", 5e-7, 1e-6, "tolerance", 1.0, guarded=False)

    assert guarded_ratio(difference) is None


def test_accepting_keeps_what_this_run_did_not_measure(tmp_path: Path) -> None:
    path = tmp_path / "committed.json"
    accept([figure(1.0, "large"), figure(2.0, "small")], path)

    accept([figure(1.5, "small")], path)

    assert read_committed(path) == {"large": 1.0, "small": 1.5}


def test_without_a_committed_file_nothing_is_compared(tmp_path: Path) -> None:
    assert read_committed(tmp_path / "missing.json") == {}


def test_the_committed_ratios_name_figures_with_a_positive_ratio() -> None:
    committed = read_committed()

    assert committed
    assert min(committed.values()) > 0
