"""The checks as declared in `thresholds.csv`: read and validated without Great Expectations."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from expectations.errors import ExpectationsError
from expectations.words import bounds, measure

ROOM = Path(__file__).resolve().parent
THRESHOLDS = ROOM / "thresholds.csv"
FRAMES = ROOM / "frames"
COLUMNS = (
    "bound",
    "suite",
    "schema",
    "table",
    "frame",
    "column",
    "subset",
    "expectation",
    "min",
    "max",
    "min_rows",
    "severity",
    "kahn",
    "reason",
    "action",
)
_ALLOWED = {
    "suite": ("raw", "marts"),
    "schema": ("raw", "marts", "quality"),
    "severity": ("error", "warn"),
    "kahn": ("conformance", "completeness", "plausibility"),
    "expectation": ("expect_column_values_to_be_between", "expect_column_median_to_be_between"),
}


@dataclass(frozen=True)
class CheckSpec:
    """One check.

    Attributes:
        name: stable name, unique over all suites, fit for a Dagster check.
        suite: `raw` (on the lake) or `marts` (on the build).
        schema: `raw`, `marts` or `quality`.
        asset_table: feed or table that the check belongs to.
        frame: stem of the SQL file that makes the judged frame.
        column: column of the frame.
        subset: (column, value) pairs that choose the frame's rows; empty for all.
        expectation: name of the Great Expectations expectation.
        minimum: smallest allowed value; None for none.
        maximum: largest allowed value; None for none.
        min_rows: with fewer judged rows than this the check doesn't apply.
        severity: `error` or `warn`.
        kahn: category of Kahn et al. 2016.
        reason: why these bounds.
        action: what the person at the source should do.
    """

    name: str
    suite: str
    schema: str
    asset_table: str
    frame: str
    column: str
    subset: tuple[tuple[str, str], ...]
    expectation: str
    minimum: float | None
    maximum: float | None
    min_rows: int
    severity: str
    kahn: str
    reason: str
    action: str

    @property
    def label(self) -> str:
        """The judged column with its subset, as it stands in the warehouse."""
        where = " and ".join(f"{column} is {value}" for column, value in self.subset)
        return f"{self.column} where {where}" if where else self.column

    @property
    def measure(self) -> str:
        """What is judged, in words."""
        return measure(self.frame, self.column, self.subset, "median" in self.expectation)

    @property
    def bounds(self) -> str:
        """The bounds in words."""
        return bounds(self.column, self.minimum, self.maximum)

    @property
    def description(self) -> str:
        """What is checked and why, in one line."""
        return f"{self.measure[0].upper()}{self.measure[1:]}: {self.bounds}. {self.reason}"


def declared_checks(path: Path = THRESHOLDS) -> list[CheckSpec]:
    """Return every declared check, in the order of the file.

    Args:
        path: a thresholds file in the format of the bundled one.

    Raises:
        ExpectationsError: a line can't be used; the message gives file, line and column.
    """
    return list(_read(path))


@cache
def _read(path: Path) -> tuple[CheckSpec, ...]:
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ExpectationsError(f"{path.name}: the columns must be {', '.join(COLUMNS)}")
        specs = tuple(_spec(row, f"{path.name}, line {reader.line_num}") for row in reader)
    names = [spec.name for spec in specs]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ExpectationsError(f"{path.name}: the bound '{repeated[0]}' stands twice; every bound needs its own name")
    return specs


def _spec(row: dict[str, str], where: str) -> CheckSpec:
    for column, allowed in _ALLOWED.items():
        if row[column] not in allowed:
            raise ExpectationsError(f"{where}: {column} is '{row[column]}', allowed: {', '.join(allowed)}")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", row["bound"]):
        raise ExpectationsError(
            f"{where}: the bound '{row['bound']}' must be lower-case letters, digits and underscores"
        )
    if not row["reason"] or not row["action"]:
        raise ExpectationsError(f"{where}: every bound needs a reason and an action")
    if not (FRAMES / row["suite"] / f"{row['frame']}.sql").is_file():
        raise ExpectationsError(f"{where}: there is no frame {row['suite']}/{row['frame']}.sql")
    minimum, maximum = _number(row, "min", where), _number(row, "max", where)
    if minimum is None and maximum is None:
        raise ExpectationsError(f"{where}: give min, max or both")
    return CheckSpec(
        name=row["bound"],
        suite=row["suite"],
        schema=row["schema"],
        asset_table=row["table"],
        frame=row["frame"],
        column=row["column"],
        subset=_subset(row["subset"], where),
        expectation=row["expectation"],
        minimum=minimum,
        maximum=maximum,
        min_rows=int(_number(row, "min_rows", where) or 1),
        severity=row["severity"],
        kahn=row["kahn"],
        reason=row["reason"],
        action=row["action"],
    )


def _number(row: dict[str, str], column: str, where: str) -> float | None:
    try:
        return float(row[column]) if row[column] else None
    except ValueError:
        raise ExpectationsError(f"{where}: {column} is '{row[column]}', not a number") from None


def _subset(text: str, where: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.partition("=") for part in text.split(";") if part]
    if any(not separator or not column for column, separator, _ in pairs):
        raise ExpectationsError(f"{where}: the subset '{text}' must read column=value;column=value")
    return tuple((column, value) for column, _, value in pairs)
