"""Works two at a time: their results in order, and nothing begun after one that failed."""

from __future__ import annotations

import threading

import pytest

from warehouse.side_by_side import AT_ONCE, side_by_side


def test_results_come_in_order_whichever_is_ready_first() -> None:
    second_is_done = threading.Event()

    def slow_first(number: int) -> int:
        if number == 0:
            assert second_is_done.wait(30), "the first work waits for the second, which never began beside it"
        if number == 1:
            second_is_done.set()
        return number

    assert list(side_by_side(slow_first, range(5))) == list(range(5))


def test_the_first_failure_in_order_is_raised_and_the_rest_left() -> None:
    begun: list[int] = []
    failed = threading.Event()

    def fail(number: int) -> None:
        begun.append(number)
        if number == 0:
            failed.set()
            raise OSError("0")
        failed.wait(30)
        raise OSError("another")

    with pytest.raises(OSError, match=r"^0$"):
        list(side_by_side(fail, range(1000)))
    assert AT_ONCE <= len(begun) < 1000


def test_one_at_a_time_starts_no_thread() -> None:
    threads = {*side_by_side(lambda _: threading.get_ident(), range(100), at_once=1)}
    assert threads == {threading.get_ident()}
    assert threading.get_ident() not in {*side_by_side(lambda _: threading.get_ident(), range(100))}
