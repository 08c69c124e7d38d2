"""A second process answers, tells its errors, and ends with its handle."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from warehouse.side_process import SideProcess, SideProcessError

MODULE = "tests.warehouse.arithmetic_process"


@pytest.fixture
def process() -> Iterator[SideProcess]:
    with SideProcess(MODULE) as running:
        yield running


def test_it_answers_one_request_after_the_other(process: SideProcess) -> None:
    for numbers, total in (([1, 2], 3), ([], 0)):
        assert process.answer(process.ask("sums", numbers)) == total


def test_several_requests_may_wait_and_each_gets_its_own_answer(process: SideProcess) -> None:
    asked = [process.ask("sums", [number]) for number in range(5)]
    assert [process.answer(number) for number in reversed(asked)] == [4, 3, 2, 1, 0]


def test_threads_share_it(process: SideProcess) -> None:
    def sums(start: int) -> list[int]:
        return [process.answer(process.ask("sums", [start, number])) for number in range(50)]

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(sums, range(4)))
    assert answers == [[start + number for number in range(50)] for start in range(4)]


def test_what_it_prints_is_no_answer(process: SideProcess) -> None:
    assert process.answer(process.ask("sums", [5])) == 5


def test_its_error_is_told_and_it_lives_on(process: SideProcess) -> None:
    with pytest.raises(SideProcessError, match="TypeError"):
        process.answer(process.ask("sums", ["one"]))
    with pytest.raises(SideProcessError, match="no such room"):
        process.answer(process.ask("no such room", []))
    assert process.answer(process.ask("sums", [4])) == 4


def test_a_killed_process_is_told(process: SideProcess) -> None:
    number = process.ask("sums", [1] * 10)
    process.answer(number)
    process.kill()
    process._process.wait()
    with pytest.raises(SideProcessError, match="killed"):
        process.answer(process.ask("sums", [1]))


def test_who_waits_when_it_is_killed_is_told(process: SideProcess) -> None:
    process._process.send_signal(signal.SIGSTOP)
    number = process.ask("sums", [1])
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(process.answer, number)
        process.kill()
        with pytest.raises(SideProcessError, match="killed"):
            waiting.result(timeout=60)


def test_closing_ends_it() -> None:
    process = SideProcess(MODULE)
    process.close()
    assert process._process.returncode is not None
