"""Files two at a time: their results in order, and nothing begun after one that failed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.extracts.side_by_side import SMALL_FILE, WORKERS, side_by_side


@pytest.fixture
def files(tmp_path: Path) -> Callable[[int, int], list[Path]]:
    def make(count: int, size: int) -> list[Path]:
        paths = [tmp_path / f"{number}.bin" for number in range(count)]
        for path in paths:
            path.write_bytes(bytes(size))
        return paths

    return make


def test_results_come_in_the_order_of_the_files_whichever_is_ready_first(
    files: Callable[[int, int], list[Path]],
) -> None:
    first, second, *others = paths = files(5, SMALL_FILE)
    second_is_done = threading.Event()

    def slow_first(path: Path) -> str:
        if path == first:
            assert second_is_done.wait(30), "the first file's work waits for the second's, which never began beside it"
        if path == second:
            second_is_done.set()
        return path.name

    assert list(side_by_side(slow_first, paths, lambda path: path)) == [path.name for path in paths]
    assert len(others) > WORKERS


def test_the_first_failure_in_order_is_raised_and_the_rest_left(files: Callable[[int, int], list[Path]]) -> None:
    paths = files(40, SMALL_FILE // 8)
    begun: list[str] = []

    def fail(path: Path) -> str:
        begun.append(path.name)
        raise OSError(path.name)

    with pytest.raises(OSError, match=r"^0\.bin$"):
        list(side_by_side(fail, paths, lambda path: path))
    assert len(begun) < len(paths)


@pytest.mark.parametrize(("size", "threads"), [(SMALL_FILE // 2 - 1, 1), (SMALL_FILE // 2, 2)])
def test_small_files_start_no_thread(files: Callable[[int, int], list[Path]], size: int, threads: int) -> None:
    both = threading.Barrier(threads)

    def name_of_thread(_: Path) -> str:
        both.wait(30)
        return threading.current_thread().name

    names = set(side_by_side(name_of_thread, files(2, size), lambda path: path))
    assert len(names) == threads
    assert (threading.current_thread().name in names) == (threads == 1)
