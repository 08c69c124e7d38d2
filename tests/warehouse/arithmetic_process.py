"""Adds numbers in a process of its own, and prints while it does."""

from __future__ import annotations

import os

from warehouse.side_process import serve


def add(numbers: list[int]) -> int:
    print("adding")  # noqa: T201
    os.write(1, b"\nas a library written in C prints\n")
    return sum(numbers)


if __name__ == "__main__":
    serve({"sums": add})
