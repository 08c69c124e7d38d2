"""The reference extract through FHIR R4 and OMOP CDM 5.4 comes into the lake row for row as through canonical files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestration.extracts import FEEDS, Kind, SourceProfile, load_profile
from synthetic_emr import build_reference_extract, write_fhir_extract, write_omop_extract
from synthetic_emr.contract import without_unusable_rows

from .conftest import Night

DAY = "2018-07-30"
FHIR_PATIENTS = 12


def _expected(
    night: Night, extract: Mapping[str, Sequence[Mapping[str, str]]]
) -> Mapping[str, list[tuple[str | None, ...]]]:
    hashed = night.pseudonymiser.keyed_hash
    found = {}
    for feed in FEEDS.values():
        rows = []
        for row in extract[feed.name]:
            cells = {
                c.lake_name: hashed(c.hash_kind, row[c.name]) if c.hash_kind and row.get(c.name) else row.get(c.name)
                for c in feed.lake_columns
            }
            rows.append(_comparable(feed.name, cells))
        found[feed.name] = sorted(rows, key=repr)
    return found


def _comparable(feed: str, cells: Mapping[str, Any]) -> tuple[str | None, ...]:
    """One row without ways of writing numbers and times; free text that no profile carries left out."""
    return tuple(
        None if column.verb == "drop" else _plain(column.kind, cells[column.lake_name] or None)
        for column in FEEDS[feed].lake_columns
    )


def _plain(kind: Kind, text: str | None) -> str | None:
    if text is None:
        return None
    if kind is Kind.DATETIME and len(text) > 10:
        return f"{text.replace('T', ' ')}:00"[:19]
    sign, digits = ("<", text[1:]) if text.startswith("<") else ("", text)
    if kind in {Kind.NUMBER, Kind.INTEGER} and digits.replace(".", "", 1).isdigit():
        return f"{sign}{float(digits)}"
    return text


@pytest.fixture(scope="module")
def reference() -> Mapping[str, Sequence[Mapping[str, str]]]:
    return without_unusable_rows(build_reference_extract())


def _keep_patients(folder: Path, count: int) -> None:
    """Leaves the first patients' resources alone: enough for every feed, few enough for the inner loop."""
    kept = {f"p{number:04d}" for number in range(1, count + 1)}
    for path in folder.glob("*.ndjson"):
        lines = path.read_text().splitlines(keepends=True)
        own = [json.loads(line) for line in lines]
        ids = [
            each.get("subject", {}).get("reference", f"Patient/{each['id']}").removeprefix("Patient/") for each in own
        ]
        path.write_text("".join(line for line, own_id in zip(lines, ids, strict=True) if own_id in kept))


@pytest.mark.slow
def test_every_row_comes_back_from_fhir(
    tmp_path: Path,
    make_night: Callable[[str, SourceProfile], Night],
    reference: Mapping[str, Sequence[Mapping[str, str]]],
) -> None:
    night = make_night("fhir", load_profile("fhir_r4"))
    write_fhir_extract(night.folder)
    _keep_patients(night.folder / DAY, FHIR_PATIENTS)
    patients = {row["patient_id"] for row in reference["patients"][:FHIR_PATIENTS]}
    _check(night, {feed: [row for row in rows if row["patient_id"] in patients] for feed, rows in reference.items()})


@pytest.mark.slow
def test_every_row_comes_back_from_omop(
    make_night: Callable[[str, SourceProfile], Night], reference: Mapping[str, Sequence[Mapping[str, str]]]
) -> None:
    night = make_night("omop", load_profile("omop_cdm54"))
    write_omop_extract(night.folder)
    _check(night, reference)


def _check(night: Night, reference: Mapping[str, Sequence[Mapping[str, str]]]) -> None:
    results = night.ingest_all(DAY)
    assert {feed: result.rejected for feed, result in results.items()} == dict.fromkeys(FEEDS, 0)
    expected = _expected(night, reference)
    for feed in FEEDS:
        found = sorted((_comparable(feed, row) for row in night.lake_rows(feed)), key=repr)
        assert expected[feed], feed
        assert found == expected[feed], feed
