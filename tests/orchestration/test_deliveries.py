"""`make refresh` on a delivery in trouble: published all the same, and everybody is told what to do."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import duckdb
import pytest

from tests.night import Night, run_refresh

pytestmark = pytest.mark.slow

FIRST, SECOND = "2018-07-29", "2018-07-30"
Rows = list[list[str]]


def rewrite(path: Path, change: Callable[[Rows], Rows]) -> None:
    """Change a file's lines, the header included."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(change(lines))


def split(path: Path) -> None:
    header, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
    half = len(rows) // 2
    for number, part in ((1, rows[:half]), (2, rows[half:])):
        (path.parent / f"{path.stem}-{number:04d}.csv").write_text("".join([header, *part]), encoding="utf-8")
    path.unlink()


def odd_event(header: list[str], event: list[str]) -> list[str]:
    """An event like the first, with a vertical tab and signs that the figures' font lacks in its term."""
    changed = {"event_id": "ODD-1", "parent_event_id": "", "term": "rash\x0b ＢＣ"}
    return [changed.get(name, cell) for name, cell in zip(header, event, strict=True)]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, reference_extracts: Path) -> Night:
    """Two snapshots; of the second one feed is missing, one has shrunk, one is split, columns are new and renamed."""
    base = tmp_path_factory.mktemp("trouble")
    for day in (FIRST, SECOND):
        shutil.copytree(reference_extracts / "2018-07-30", base / "extracts" / day)
        manifest = base / "extracts" / day / "manifest.json"
        content = json.loads(manifest.read_text(encoding="utf-8"))
        manifest.write_text(json.dumps(content | {"extract_date": day, "files": []}), encoding="utf-8")
    second = base / "extracts" / SECOND
    (second / "procedures.csv").unlink()
    rewrite(second / "vital_signs.csv", lambda lines: lines[: len(lines) * 7 // 10])
    rewrite(second / "prior_therapies.csv", lambda lines: [[*line, "ward 7"] for line in lines])
    rewrite(
        second / "molecular_findings.csv",
        lambda lines: [["sampled_onn" if cell == "sampled_on" else cell for cell in line] for line in lines],
    )
    rewrite(second / "mrd_results.csv", lambda lines: [*lines, ["NOBODY-7", *lines[1][1:]], ["", *lines[2][1:]]])
    rewrite(second / "adverse_events.csv", lambda lines: [*lines, odd_event(*lines[:2])])
    (second / "lab_result.csv").write_text("patient_id\n", encoding="utf-8")
    split(second / "lab_results.csv")
    return run_refresh(base / "home", base / "extracts")


@pytest.fixture(scope="module")
def warehouse(night: Night) -> Iterator[duckdb.DuckDBPyConnection]:
    assert night.status == 0, night.stderr
    with duckdb.connect(str(night.database.resolve()), read_only=True) as connection:
        yield connection


def test_the_terminal_names_new_and_renamed_columns(night: Night) -> None:
    assert night.status == 0, night.stderr
    said = night.stdout + night.stderr
    assert f"{SECOND}/molecular_findings.csv: unknown column `sampled_onn` kept out; did you mean `sampled_on`?" in said
    assert f"{SECOND}/prior_therapies.csv: unknown column `ward 7` kept out" in said
    assert f"{SECOND}/lab_result.csv: left alone" in said
    assert "Glyph" not in said


def test_a_feed_that_stopped_and_one_that_shrank_are_warned_of(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = warehouse.execute(
        """
        select "check", severity, failing_rows, message, action
        from quality.check_results
        where regexp_matches("check", '_(not_shrunk|still_delivered|not_silent)$') and not passed
        order by 1
        """
    ).fetchall()
    assert [row[:2] for row in found] == [("procedures_still_delivered", "warn"), ("vital_signs_not_shrunk", "warn")]
    stopped, shrank = found
    assert stopped[3].startswith(f"procedures of synthetic came last on {FIRST}; it is missing since {SECOND}")
    assert "Put the feed back" in stopped[4]
    assert re.search(r"after [\d,]+ in that of 2018-07-29, 30.0% fewer", shrank[3])
    rows = "select sum(rows) from quality.extracts where feed = 'vital_signs' and extract = ?"
    before, now = (warehouse.execute(rows, [day]).fetchone() for day in (FIRST, SECOND))
    assert before is not None
    assert now is not None
    assert shrank[2] == before[0] - now[0]


def test_a_feed_that_stopped_keeps_its_last_rows(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert warehouse.execute(
        "select count(*) from marts.outcomes where endpoint = 'HSCT_BRIDGE' and achieved"
    ).fetchall() == [(17,)]


def test_every_row_of_every_file_is_accepted_or_rejected(warehouse: duckdb.DuckDBPyConnection, night: Night) -> None:
    delivered = {
        (path.parent.name, path.name): len(list(csv.reader(path.open(encoding="utf-8", newline="")))) - 1
        for path in (night.home.parent / "extracts").glob("*/*.csv")
        if path.name != "lab_result.csv"
    }
    found = warehouse.execute(
        "select extract::varchar, file, rows, accepted, rejected from quality.extracts"
    ).fetchall()
    assert {(extract, file): rows for extract, file, rows, _, _ in found} == delivered
    assert all(rows == accepted + rejected for _, _, rows, accepted, rejected in found)
    listed = warehouse.execute(
        "select extract::varchar, file, count(*) from quality.rejected_rows group by all"
    ).fetchall()
    assert {row[:2]: row[2] for row in listed} == {(e, file): n for e, file, _, _, n in found if n}


def test_the_report_leads_to_the_quarantined_rows(warehouse: duckdb.DuckDBPyConnection, night: Night) -> None:
    page = unescape((night.home / "report" / "index.html").read_text(encoding="utf-8"))
    section = page[page.index('<section id="quarantine"') :]
    paths = set(re.findall(r"quarantine/[\w-]+/[\w.-]+\.csv", section))
    base = f"quarantine/{SECOND}/mrd_results--mrd_results.csv.rows.csv"
    assert base in paths
    assert all((night.home / path).is_file() for path in paths)
    with (night.home / base).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["reason"] for row in rows} == {
        "no key: patient_id is empty", "no such patient in the patients feed",
    }  # fmt: skip
    assert "Deliver the patient in patients, or correct the patient's id in the row." in section
    assert "NOBODY-7" not in page
    values = warehouse.execute(
        "select feed, extract::varchar, file, count(*) from quality.rejected_values group by all"
    )
    for feed, extract, file, count in values.fetchall():
        lines = (night.home / "quarantine" / extract / f"{feed}--{file}.values.csv").read_text(encoding="utf-8-sig")
        assert len(list(csv.reader(lines.splitlines()))) == count + 1
