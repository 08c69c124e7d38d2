"""A figure of the last night is taken over where tonight would draw the same, and only there."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from analysis_assets.drawing import Drawer, DrawingJob
from analysis_assets.gallery import INDEX_NAME, Plot, draw_gallery, plots, read_gallery
from analysis_assets.taking_over import made_from, take_over
from study import Study
from study.models import Privacy
from tests.analysis_assets.reference_warehouse import reference_study, reference_warehouse

CODE = "1.0+abc"


@pytest.fixture(scope="module")
def warehouse() -> duckdb.DuckDBPyConnection:
    return reference_warehouse()


def sources_of(connection: duckdb.DuckDBPyConnection, code: str = CODE, *, synthetic: bool = True) -> dict[str, str]:
    drawn = plots(connection, reference_study(), synthetic=synthetic)
    return dict(zip((plot.name for plot in drawn), made_from(drawn, code), strict=True))


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


def test_read_twice_every_figure_is_made_from_the_same(warehouse: duckdb.DuckDBPyConnection) -> None:
    sources = sources_of(warehouse)
    assert sources_of(warehouse) == sources
    assert len(set(sources.values())) == len(sources) > 40


def test_other_code_or_another_label_changes_every_figure(warehouse: duckdb.DuckDBPyConnection) -> None:
    sources = sources_of(warehouse)
    assert changed(sources, sources_of(warehouse, "1.0+abd")) == sources.keys()
    assert changed(sources, sources_of(warehouse, synthetic=False)) == sources.keys()


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "update analysis.response_rates set n = n + 1 "
            "where rowid = (select min(rowid) from analysis.response_rates)",
            {"response_rates"},
        ),
        (
            "update analysis.km_curves set survival = 0.123 where rowid = "
            "(select min(rowid) from analysis.km_curves where endpoint = 'EFS' and factor = 'age')",
            {"km_efs_age"},
        ),
        ("update analysis.cohort_flow set criterion = criterion || '.' where step = 0", {"cohort_flow"}),
        (
            "update marts.outcomes set time_days = time_days + 1 where endpoint = 'OS' "
            "and patient_key = (select min(patient_key) from marts.patients where included)",
            {"swimmer"},
        ),
    ],
)
def test_one_value_changes_just_the_figures_that_show_it(
    warehouse: duckdb.DuckDBPyConnection, statement: str, expected: set[str]
) -> None:
    before = sources_of(warehouse)
    warehouse.execute("begin")
    try:
        warehouse.execute(statement)
        assert changed(before, sources_of(warehouse)) == expected
    finally:
        warehouse.execute("rollback")


@pytest.mark.parametrize(
    ("remaining", "reason"), [(0, "no patient is included"), (1, "no included patient has follow-up for OS")]
)
def test_the_gallery_knows_whether_anybody_is_included(
    warehouse: duckdb.DuckDBPyConnection, remaining: int, reason: str
) -> None:
    warehouse.execute("begin")
    try:
        warehouse.execute("delete from analysis.km_curves")
        warehouse.execute(
            "update analysis.cohort_flow set n_remaining = ? where step = (select max(step) from analysis.cohort_flow)",
            [remaining],
        )
        drawn = {plot.name: plot for plot in plots(warehouse, reference_study(), synthetic=True)}
        assert drawn["km_os"].describe() == f"Overall survival: no curve, {reason}."
    finally:
        warehouse.execute("rollback")


def plot_of(name: str, known: int) -> Plot:
    from analysis_assets.figures.consort import consort_figure, consort_text

    flow = pd.DataFrame({"step": [0], "criterion": [name], "n_excluded": [0], "n_remaining": [known]})
    return Plot(name, name, "cohort", partial(consort_figure, flow), partial(consort_text, flow))


@pytest.fixture
def last(tmp_path: Path) -> Path:
    """Last night's figures `one` and `two`."""
    draw_gallery([plot_of("one", 1), plot_of("two", 2)], tmp_path / "last", CODE)
    return tmp_path / "last"


def taken(last: Path, tonight: list[Plot], code: str = CODE) -> list[str]:
    folder = last.parent / "tonight"
    shutil.rmtree(folder, ignore_errors=True)
    found = take_over([plot.name for plot in tonight], made_from(tonight, code), last, folder)
    assert {path.name for path in folder.iterdir()} == {
        file for each in found.values() for file in (each.svg, each.png)
    }
    for figure in found.values():
        for file in (figure.svg, figure.png):
            assert (folder / file).read_bytes() == (last / file).read_bytes()
    return [tonight[position].name for position in found]


def test_what_is_the_same_is_taken_over_whatever_its_place(last: Path) -> None:
    assert taken(last, [plot_of("new", 1), plot_of("two", 2), plot_of("one", 1)]) == ["two", "one"]
    assert taken(last, [plot_of("one", 2), plot_of("two", 2)]) == ["two"]
    assert taken(last, [plot_of("one", 1)], "another code") == []


def test_a_damaged_or_missing_file_is_drawn_again(last: Path) -> None:
    (last / "one.svg").write_text((last / "one.svg").read_text(encoding="utf-8") + " ", encoding="utf-8")
    (last / "two.png").unlink()
    assert taken(last, [plot_of("one", 1), plot_of("two", 2)]) == []


def test_without_a_last_night_or_of_an_older_version_nothing_is_taken(last: Path) -> None:
    tonight = [plot_of("one", 1)]
    assert taken(last.parent / "nowhere", tonight) == []
    text = (last / INDEX_NAME).read_text(encoding="utf-8")
    (last / INDEX_NAME).write_text(text.replace(made_from(tonight, CODE)[0], ""), encoding="utf-8")
    assert taken(last, tonight) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'[{"name": "one"}]', b'[{"later": 1}]', b"\xff\xfe", b"null"])
def test_an_index_that_cannot_be_read_stops_no_night(last: Path, content: bytes) -> None:
    (last / INDEX_NAME).write_bytes(content)
    assert taken(last, [plot_of("one", 1)]) == []


def job_of(study: Study, database: Path, folder: Path, last: Path) -> dict[str, Any]:
    return {"job": vars(DrawingJob(str(database), study.as_dbt_variable(), str(folder), True, str(last), CODE))}


def test_a_night_that_hides_small_counts_takes_over_no_figure_with_counts(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    database, last = tmp_path / "warehouse.duckdb", tmp_path / "last"
    warehouse.execute(f"attach '{database}' as stored; copy from database memory to stored; detach stored")
    everything = plots(warehouse, reference_study(), synthetic=True)
    kept = [plot for plot in everything if plot.name in ("swimmer", "crs", "km_os", "forest_cox_os")]
    draw_gallery(kept, last, CODE)
    private = reference_study().model_copy(update={"privacy": Privacy(small_cell_below=5)})
    both = {}
    for name, study in (("open", reference_study()), ("private", private)):
        taken = Drawer()(job_of(study, database, tmp_path / name, last))["taken"]
        both[name] = {figure["name"] for figure in taken.values()}
    assert both == {"open": {plot.name for plot in kept}, "private": {"forest_cox_os"}}
    assert {path.name for path in (tmp_path / "private").iterdir()} == {"forest_cox_os.svg", "forest_cox_os.png"}


def drawn_by_a_second_process(database: Path, folder: Path, last: Path) -> tuple[list[dict[str, Any]], int]:
    """Draw the first five figures as the second process does; return them and how many of all were taken over."""
    drawer = Drawer()
    read = drawer(job_of(reference_study(), database, folder, last))
    figures = [read["taken"].get(position) or drawer({"draw": position}) for position in range(5)]
    return figures, len(read["taken"])


@pytest.mark.slow
def test_the_second_process_takes_over_what_it_drew_the_night_before(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    database = tmp_path / "warehouse.duckdb"
    warehouse.execute(f"attach '{database}' as stored; copy from database memory to stored; detach stored")
    first, none = drawn_by_a_second_process(database, tmp_path / "first", tmp_path / "nowhere")
    assert none == 0
    index = tmp_path / "first" / INDEX_NAME
    drawn = [{name: value for name, value in figure.items() if name != "inline_svg"} for figure in first]
    index.write_text(json.dumps(drawn), encoding="utf-8")
    assert [figure.name for figure in read_gallery(tmp_path / "first")] == [figure["name"] for figure in first]
    second, five = drawn_by_a_second_process(database, tmp_path / "second", tmp_path / "first")
    assert five == 5
    assert second == first
