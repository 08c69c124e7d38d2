"""A second process answers, tells its errors, and ends with its handle."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from warehouse.side_process import SideProcess, SideProcessError

MODULE = "tests.warehouse.arithmetic_process"


@pytest.fixture
def process() -> Iterator[SideProcess]:
    with SideProcess(MODULE) as running:
        yield running


def test_it_answers_one_request_after_the_other(process: SideProcess) -> None:
    for numbers, total in (([1, 2], 3), ([], 0)):
        process.ask(numbers)
        assert process.answer() == total


def test_what_it_prints_is_no_answer(process: SideProcess) -> None:
    process.ask([5])
    assert process.answer() == 5


def test_its_error_is_told_and_it_lives_on(process: SideProcess) -> None:
    process.ask(["one"])
    with pytest.raises(SideProcessError, match="TypeError"):
        process.answer()
    process.ask([4])
    assert process.answer() == 4


def test_a_killed_process_is_told(process: SideProcess) -> None:
    process._process.kill()
    process._process.wait()
    with pytest.raises(SideProcessError, match="killed"):
        process.answer()


def test_closing_ends_it() -> None:
    process = SideProcess(MODULE)
    process.close()
    assert process._process.returncode is not None
