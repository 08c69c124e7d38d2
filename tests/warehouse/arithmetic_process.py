"""Adds numbers in a process of its own, and prints while it does."""

from __future__ import annotations

from warehouse.side_process import serve


def add(numbers: list[int]) -> int:
    print("adding")  # noqa: T201
    return sum(numbers)


if __name__ == "__main__":
    serve(add)
