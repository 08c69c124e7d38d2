"""No direct identifier and no hospital id leaves ingestion: planted everywhere, then every byte is searched."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from orchestration.extracts.spellings import folded, squeezed
from tests.night import Night, run_refresh

pytestmark = pytest.mark.slow

# Each is unlike any word of the project, so that a hit is a leak.
PLANTED = {
    "patient_id": "HOSPZQ7731",
    "name": "Xylophonia Quartzberg",
    "national_id": "NID880099QZ",
    "phone": "+99-555-0177-QZ",
    "address": "17 Zanzibarplatz, Quxhaven",
}
SECOND_PATIENT = "HOSPZQ7732"
SECOND_NAME = "Wolfquist Ampersand"
TURNED_NAME = "Quartzberg, Xylophonia"
# An id that is nothing but a number, as a laboratory value is.
NUMBERED_PATIENT = "90807061"


def write(folder: Path, feed: str, header: list[str], rows: list[list[str]], tail: str = "") -> None:
    with (folder / f"{feed}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
        file.write(tail)


def write_delta(extract: Path) -> None:
    """A later delta without a patients file: what it says of the patients is known from the extract before."""
    extract.mkdir()
    patient, name, national, phone, address = PLANTED.values()
    write(
        extract,
        "procedures",
        ["patient_id", "procedure", "performed_on", "detail"],
        [
            [SECOND_PATIENT, "allo_hsct", "2018-07-30", f"donor of {name.upper()} of {address}"],
            [SECOND_PATIENT, "auto_hsct", "2018-07-30", f"{patient}, {phone}, {national} and {NUMBERED_PATIENT}"],
            ["", "auto_hsct", "2018-07-30", f"{patient}, {phone}, {national} and {NUMBERED_PATIENT}"],
        ],
    )
    write(
        extract,
        "marrow_assessments",
        ["patient_id", "sampled_on", "blast_percent", "method"],
        [["", "2018-07-30", NUMBERED_PATIENT, SECOND_NAME], ["x", "2018-07-30", NUMBERED_PATIENT, name]],
    )
    manifest = {"source_system": "", "extract_date": extract.name, "mode": "delta", "files": []}
    (extract / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """A refresh of an extract whose every corner holds an identifier."""
    base = tmp_path_factory.mktemp("planted")
    extract = base / "extracts" / "2018-07-30"
    extract.mkdir(parents=True)
    patient, name, national, phone, address = PLANTED.values()
    write(
        extract,
        "patients",
        ["patient_id", "sex", "birth_date", "name", "national_id", "phone", "address", "next_of_kin"],
        [
            [patient, "F", "1990-01-01", name, national, phone, address, name],
            [SECOND_PATIENT, "M", "1985-05-05", SECOND_NAME, "", "", "", ""],
            [NUMBERED_PATIENT, "M", "1985-05-05", "", "", "", "", ""],
            ["", "M", "1985-05-05", SECOND_NAME, national, phone, address, ""],
            [patient + "X", name, phone, "", "", "", "", ""],
        ],
        tail=f"{patient},F,1990-01-01,{name},{national},{phone},{address},too,many,cells,{name}\n",
    )
    write(
        extract,
        "cart_infusions",
        ["patient_id", "infusion_id", "infused_at", "course", "fraction", "target", "cells_per_kg"],
        [
            [patient, f"{patient}-1", "2018-01-05", "1", "1", "CD19", "5e6"],
            [SECOND_PATIENT, f"{SECOND_PATIENT}-1", "2018-01-06", "1", "1", "CD19", name],
        ],
    )
    write(
        extract,
        "adverse_events",
        [
            "patient_id",
            "event_id",
            "parent_event_id",
            "term",
            "grade",
            "grading_scale",
            "started_on",
            "ended_on",
            "phase",
        ],
        [
            [patient, f"{patient}-CRS", "", "CRS", "2", "Lee2014", "2018-01-07", "", "cart"],
            [patient, f"{patient}-f", f"{patient}-CRS", f"fever of {name}", phone, "CTCAE5", name, "", "cart"],
        ],
    )
    write(
        extract,
        "marrow_assessments",
        ["patient_id", "sampled_on", "blast_percent", "method"],
        [
            [patient, "2018-01-20", f"{name} 3", "morphology"],
            [patient, national, "2", address],
            ["", name, phone, patient],
            ["", "2018-01-20", NUMBERED_PATIENT, "morphology"],
            [patient, "", f"{NUMBERED_PATIENT}.0", NUMBERED_PATIENT],
            ["3.5", "2018-01-20", NUMBERED_PATIENT, "morphology"],
        ],
    )
    write(
        extract,
        "follow_ups",
        [
            "patient_id",
            "visited_on",
            "vital_status",
            "death_on",
            "cause_of_death",
            "disease_status",
            "relapse_on",
            "relapse_site",
        ],
        [
            [patient, "2018-06-01", "alive", "", f"seen with {name}, call {phone}", "remission", "", address],
            [SECOND_PATIENT, "2018-06-02", "dead", "2018-06-02", SECOND_NAME, name, national, ""],
            ["UNKNOWNZQ9", "2018-06-02", "alive", "", name, "remission", "", ""],
        ],
    )
    write(
        extract,
        "procedures",
        ["patient_id", "procedure", "performed_on", "detail"],
        [
            [patient, "allo_hsct", "2018-02-20", f"donor of {name}"],
            [patient, "auto_hsct", "2018-02-21", f"donor of {TURNED_NAME}, ＨＯＳＰＺＱ７７３１"],
            ["UNKNOWNZQ9", "biopsy of unknownzq9", "2018-02-23", "seen: ＵＮＫＮＯＷＮＺＱ９"],
            [patient, "auto_hsct", "2018-02-22", "asked ＋９９–555—0177\u2011QZ"],
        ],
    )
    write(
        extract,
        "diagnoses",
        ["patient_id", "diagnosed_on", "code_system", "code", "description", "immunophenotype", "method"],
        [[patient, "2017-01-01", "ICD-10", "C91.0", f"ALL in {name}", "CD19+", "flow"]],
    )
    write_delta(base / "extracts" / "2018-08-01")
    study = base / "study.yml"
    study.write_text("study: {name: planted, data_cutoff: null}\n", encoding="utf-8")
    return run_refresh(base / "home", base / "extracts", CART_STUDY=str(study))


def said(cells: Iterable[object]) -> str:
    """The cells as they stand, and each text in the one spelling that identifiers are looked for by."""
    return "\n".join(f"{cell}\n{squeezed(folded(cell)) if isinstance(cell, str) else ''}" for cell in cells)


def found_in(text: str) -> list[str]:
    """Which identifiers a text of `said` holds, in whatever spelling."""
    return [each for each in (*FORBIDDEN, TURNED_NAME) if each in text or squeezed(folded(each)) in text]


FORBIDDEN = [*PLANTED.values(), PLANTED["name"].upper(), SECOND_PATIENT, SECOND_NAME, NUMBERED_PATIENT, "UNKNOWNZQ9"]


def test_the_night_succeeds(night: Night) -> None:
    assert night.status == 0, night.stderr


def test_nothing_is_printed(night: Night) -> None:
    for identifier in FORBIDDEN:
        assert identifier not in night.stdout + night.stderr


def test_no_byte_under_the_home_holds_one(night: Night) -> None:
    needles = [text.encode(encoding) for text in FORBIDDEN for encoding in ("utf-8", "utf-16-le")]
    searched = 0
    for path in night.home.rglob("*"):
        for identifier in FORBIDDEN:
            assert identifier not in path.name
        if path.is_file():
            content = path.read_bytes()
            searched += 1
            found = [needle for needle in needles if needle in content]
            assert not found, (path, found)
    assert searched > 100


def test_no_cell_of_the_lake_holds_one(night: Night) -> None:
    """Compression hides bytes, so the cells are read as well."""
    files = list((night.home / "lake").rglob("*.parquet"))
    assert files
    for path in files:
        rows = pq.ParquetFile(path).read().to_pylist()
        assert found_in(said(cell for row in rows for cell in row.values())) == [], path


def test_no_cell_of_the_warehouse_holds_one(night: Night) -> None:
    with duckdb.connect(str((night.home / "warehouse.duckdb").resolve()), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = current_database()"
        ).fetchall()
        assert len(tables) > 20
        for schema, table in tables:
            rows = connection.execute(f'from "{schema}"."{table}"').fetchall()
            assert found_in(said(cell for row in rows for cell in row)) == [], (schema, table)


def test_rejected_rows_are_still_told(night: Night) -> None:
    with duckdb.connect(str((night.home / "warehouse.duckdb").resolve()), read_only=True) as connection:
        rejected = dict(connection.execute("select feed, count(*) from quality.rejected_rows group by feed").fetchall())
    assert rejected["patients"] >= 2
    assert rejected["follow_ups"] == 1
