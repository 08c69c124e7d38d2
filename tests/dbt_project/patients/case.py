"""A named patient: a sentence, the rows that make the life, and what the warehouse must say about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.cohort import Patient

Value = Any


class RowsOf:
    """Equals a list of evidence with just that many rows of those feeds, whatever their numbers."""

    def __init__(self, *feeds: str) -> None:
        self.feeds = sorted(feeds)

    def __eq__(self, evidence: object) -> bool:
        return isinstance(evidence, list) and sorted(entry["feed"] for entry in evidence) == self.feeds

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"rows of {', '.join(self.feeds)}"


@dataclass(frozen=True)
class Expectation:
    """One row of a table, found by the patient and ``where``, with the values it must hold; None: no such row."""

    table: str
    where: Mapping[str, Value]
    holds: Mapping[str, Value] | None

    def __str__(self) -> str:
        place = ", ".join([self.table, *(f"{value}" for value in self.where.values())])
        return place if self.holds is not None else f"no row: {place}"


@dataclass(frozen=True)
class Case:
    """A patient called by a sentence; ``life`` adds the rows to a patient who is infused on day 0."""

    name: str
    life: Callable[[Patient], object]
    expected: tuple[Expectation, ...]
    patient: Mapping[str, Value] = field(default_factory=dict)


def case(name: str, life: Callable[[Patient], object], *expected: Expectation, **patient: Value) -> Case:
    """Return a case; further keywords go to ``Cohort.patient`` (sex, birth_date, infused ...)."""
    return Case(name, life, expected, patient)


def yes_no(endpoint: str, achieved: bool | None, kind: str, **more: Value) -> Expectation:
    """Expect a binary endpoint."""
    return Expectation("marts.outcomes", {"endpoint": endpoint}, {"achieved": achieved, "event_kind": kind, **more})


def time_to(endpoint: str, days: int, kind: str, *, event: bool | None = None, **more: Value) -> Expectation:
    """Expect a time-to-event endpoint; an event unless its kind is censored."""
    happened = kind != "censored" if event is None else event
    return Expectation(
        "marts.outcomes", {"endpoint": endpoint}, {"time_days": days, "event_kind": kind, "event": happened, **more}
    )


def row(table: str, where: Mapping[str, Value] | None = None, **holds: Value) -> Expectation:
    """Expect exactly one row of a table, holding these values."""
    return Expectation(table, where or {}, holds)


def no_row(table: str, **where: Value) -> Expectation:
    """Expect no such row of the patient."""
    return Expectation(table, where, None)


def no_endpoint(endpoint: str) -> Expectation:
    """Expect no row of an endpoint."""
    return no_row("marts.outcomes", endpoint=endpoint)
