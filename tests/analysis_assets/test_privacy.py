"""Small-cell suppression: no small count is exported, and none can be computed from what is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis_assets.gallery import draw_gallery, plots, read_gallery
from analysis_assets.privacy import CURVES, EXPORTED, LEFT_OUT, RULES, exporter_of, suppress, suppressing_exporter
from analysis_assets.report.context import read_context
from analysis_assets.report.suppression import without_figures
from study import Study
from study.models import Privacy
from tests.analysis_assets.reference_warehouse import reference_study, reference_warehouse
from warehouse import list_tables

BELOW = 5
COUNTS = st.integers(0, 14)


@pytest.fixture(scope="module")
def warehouse() -> duckdb.DuckDBPyConnection:
    return reference_warehouse()


@pytest.fixture(scope="module")
def tables(warehouse: duckdb.DuckDBPyConnection) -> dict[str, pd.DataFrame]:
    names = [name for _, name in list_tables(warehouse, ("analysis",))]
    return {name: warehouse.execute(f"select * from analysis.{name}").df() for name in names}


@pytest.fixture(scope="module")
def exported(warehouse: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    written = suppressing_exporter(BELOW)(warehouse, tmp_path_factory.mktemp("exports"))
    return {name: duckdb.execute(f"select * from '{path}'").df() for name, path in written.items()}


def small(values: Any) -> list[int]:
    return [int(value) for value in np.ravel(values) if not pd.isna(value) and 0 < value < BELOW]


def recoverable(cells: list[int], shown: list[bool], sums: list[tuple[list[int], int]]) -> list[int]:
    """Return the hidden small cells that follow from the shown ones and the known sums of (positions, sum)."""
    unknown = [i for i, is_shown in enumerate(shown) if not is_shown]
    rows = np.array([[float(i in positions) for i in unknown] for positions, _ in sums]).reshape(
        len(sums), len(unknown)
    )
    rank = np.linalg.matrix_rank(rows) if rows.size else 0
    return [
        cells[i]
        for place, i in enumerate(unknown)
        if 0 < cells[i] < BELOW and np.linalg.matrix_rank(np.vstack([rows, np.eye(len(unknown))[place]])) == rank
    ]


def test_every_analysis_table_has_a_rule_or_is_left_out(tables: dict[str, pd.DataFrame]) -> None:
    assert set(tables) == {*EXPORTED, *LEFT_OUT}


def test_the_rules_name_columns_of_their_tables(tables: dict[str, pd.DataFrame]) -> None:
    for name, rule in RULES.items():
        named = {*rule.counts, *rule.figures, *rule.totals, *rule.missing, *rule.withheld}
        assert {column for column in named if not column.startswith("_")} <= set(tables[name].columns), name


def test_counts_of_every_table_are_named_by_its_rule(tables: dict[str, pd.DataFrame]) -> None:
    for name, rule in RULES.items():
        counted = {column for column in tables[name] if column == "n" or column.startswith("n_")}
        assert counted <= {*rule.counts, *rule.totals, *rule.missing}, name


def test_no_small_count_is_exported(tables: dict[str, pd.DataFrame], exported: dict[str, pd.DataFrame]) -> None:
    before = [value for frame in tables.values() for c in frame if str(c).startswith("n") and c != "note"
              for value in small(pd.to_numeric(frame[c], errors="coerce"))]  # fmt: skip
    assert len(before) > 100
    for name, frame in exported.items():
        for column in (c for c in frame if str(c) == "n" or str(c).startswith("n_")):
            assert small(frame[column]) == [], (name, column)
    parts = {"response_rates": ("n", "n_total")}
    parts |= dict.fromkeys(("km_summary", "logistic_models", "cox_models"), ("n_events", "n"))
    for name, (part, whole) in parts.items():
        assert small(exported[name][whole] - exported[name][part]) == [], name


def test_what_follows_from_a_hidden_count_is_hidden_and_the_rest_stays(exported: dict[str, pd.DataFrame]) -> None:
    rates = exported["response_rates"].set_index(["endpoint", "ci_method"])
    hidden = rates.loc["CR"]  # 36 of 39: three without
    assert hidden[["n", "pct", "ci_low", "ci_high", "display"]].isna().all(axis=None)
    assert rates.loc[("SEVERE_CRS", "clopper_pearson"), "n"] == 15
    table = exported["baseline_characteristics"].set_index(["characteristic", "level"])
    assert table.loc["Relapsed disease", ["n", "pct", "display"]].isna().all(axis=None)  # 4 and 35
    assert table.loc[("Gender", "male"), ["n", "display"]].tolist() == [22, "22 (56.4)"]


def test_nothing_of_single_patients_is_exported(exported: dict[str, pd.DataFrame]) -> None:
    assert set(exported) == set(EXPORTED)
    assert exported["km_curves"]["time_days"].isna().all()
    assert (exported["km_curves"]["time_months"] % 1 == 0).all()
    assert len(exported["km_curves"]) > 0
    assert exported["km_summary"][["min_months", "max_months"]].isna().all(axis=None)


def test_a_second_export_has_the_same_bytes_and_the_tables_own_types(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        written = suppressing_exporter(BELOW)(warehouse, folder)
    assert all((folders[0] / p.name).read_bytes() == p.read_bytes() for p in written.values())
    for name, path in written.items():
        types = warehouse.execute(f"describe analysis.{name}").fetchall()
        assert duckdb.execute(f"describe select * from '{path}'").fetchall() == types


def test_off_unless_the_study_asks_for_it() -> None:
    assert exporter_of(reference_study()) is None
    assert exporter_of(private_study()) is not None


def private_study() -> Study:
    return reference_study().model_copy(update={"privacy": Privacy(small_cell_below=BELOW)})


def test_only_figures_without_counts_and_patients_are_drawn(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    everything = plots(warehouse, reference_study(), synthetic=True)
    forests = [plot.name for plot in everything if plot.section == "models"]
    assert len(forests) == 4 < len(everything)
    draw_gallery(plots(warehouse, private_study(), synthetic=True), tmp_path, "1.0")
    assert [figure.name for figure in read_gallery(tmp_path)] == forests
    assert {path.stem for path in tmp_path.iterdir()} == {"figures", *forests}


@pytest.mark.parametrize(
    ("remark", "left"),
    [("3.0 events per variable, fewer than 10: unstable", None),
     ("status on day 60; 1 patients whose follow-up had ended by then left out", "status on day 60"),
     ("1.1 events per candidate variable; immortal-time bias: known on day 0", "immortal-time bias: known on day 0"),
     ("not reached", "not reached")],
)  # fmt: skip
def test_what_may_count_in_a_remark_goes_and_the_rest_stays(remark: str, left: str | None) -> None:
    assert without_figures(remark) == left


def test_no_remark_of_the_report_holds_a_count(warehouse: duckdb.DuckDBPyConnection) -> None:
    def notes(study: Study) -> set[str]:
        context = read_context(warehouse, study)
        return {str(r["note"]) for name in ("cox_models", "logistic_models") for r in context.table(name) if r["note"]}

    assert any("events per variable" in note for note in notes(reference_study()))
    kept = notes(private_study())
    assert "status on day 60" in kept
    assert all(without_figures(note) == note for note in kept)


def frame_of(tables: Mapping[str, pd.DataFrame], name: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """`rows` with every column of the real table, of its type."""
    frame = pd.DataFrame(rows).reindex(columns=tables[name].columns)
    counted = [c for c in frame if c in ("grade", "n") or str(c).startswith("n_")]
    return frame.astype(dict.fromkeys(counted, "Int64"))


@settings(max_examples=40, deadline=None)
@given(cells=st.lists(st.tuples(COUNTS, COUNTS), min_size=3, max_size=3))
def test_no_subgroup_count_follows_from_the_others(
    tables: dict[str, pd.DataFrame], cells: list[tuple[int, int]]
) -> None:
    """Two levels and the patients without one, by response; both margins are known where they are exported."""
    (a, b), (c, d), (e, f) = cells
    n = a + b + c + d + e + f
    head = {"endpoint": "CR", "factor": "sex", "n_missing": e + f}
    rates = [{"endpoint": "CR", "n": a + c + e, "n_total": n, "n_not_evaluable": 0}]
    rows = [{**head, "level": "f", "n_responders": a, "n_non_responders": b, "n": a + b},
            {**head, "level": "m", "n_responders": c, "n_non_responders": d, "n": c + d}]  # fmt: skip
    done = suppress(
        {"subgroup_response": frame_of(tables, "subgroup_response", rows),
         "response_rates": frame_of(tables, "response_rates", rates)}, BELOW,
    )  # fmt: skip
    by_level, overall = done["subgroup_response"], done["response_rates"]
    sums = [(list(range(6)), n)]
    sums += [([2 * i, 2 * i + 1], int(t)) for i, t in enumerate(by_level["n"]) if not pd.isna(t)]
    sums += [([4, 5], int(m)) for m in by_level["n_missing"][:1] if not pd.isna(m)]
    sums += [([0, 2, 4], int(t)) for t in overall["n"] if not pd.isna(t)]
    shown = by_level[["n_responders", "n_non_responders"]].notna().to_numpy().ravel().tolist()
    assert small(by_level[["n_responders", "n_non_responders", "n"]].to_numpy(dtype=float)) == []
    assert recoverable([a, b, c, d, e, f], [*shown, False, False], sums) == []


@settings(max_examples=40, deadline=None)
@given(bands=st.lists(COUNTS, min_size=2, max_size=5), missing=COUNTS)
def test_no_level_follows_from_the_others(tables: dict[str, pd.DataFrame], bands: list[int], missing: int) -> None:
    """Bands and a cut of the same column, with the patients of unknown value."""
    known, n = sum(bands), sum(bands) + missing
    head = {"column_name": "age_years", "n_missing": missing}
    rows = [{"characteristic": "All patients", "level": "", "column_name": "", "n": n, "n_total": n, "n_missing": 0}]
    rows += [{**head, "characteristic": "Age (years)", "level": "", "n": known, "n_total": known}]
    rows += [
        {**head, "characteristic": "Age (years)", "level": f"{i}", "n": b, "n_total": known}
        for i, b in enumerate(bands)
    ]
    rows += [{**head, "characteristic": "Age", "level": "low", "n": bands[0], "n_total": known},
             {**head, "characteristic": "Age", "level": "high", "n": known - bands[0], "n_total": known}]  # fmt: skip
    rows += [{**head, "characteristic": "Age (years)", "level": "missing", "n": missing, "n_total": known}]
    done = suppress({"baseline_characteristics": frame_of(tables, "baseline_characteristics", rows)}, BELOW)
    after = done["baseline_characteristics"]
    last = len(bands)
    sums = [([*range(last + 1)], n)] if not pd.isna(after["n_total"][0]) else []
    sums += [([last], missing)] if after["n_missing"][2:].notna().any() else []
    sums += [([*range(last)], known)] if after["n_total"][2:].notna().any() or not pd.isna(after["n"][1]) else []
    sums += [([0], bands[0])] if not pd.isna(after["n"][last + 2]) else []
    shown = [*after["n"][2 : last + 2].notna(), not pd.isna(after["n"].iloc[-1])]
    assert small(after[["n", "n_total", "n_missing"]].to_numpy(dtype=float)) == []
    assert recoverable([*bands, missing], shown, sums) == []


def test_who_is_missing_counts_among_everybody(tables: dict[str, pd.DataFrame]) -> None:
    """7 missing beside 10 known are two large groups; their difference is no group at all."""
    head = {"column_name": "wbc", "characteristic": "WBC", "n_total": 10, "n_missing": 7}
    rows = [{**head, "level": "", "n": 10}, {**head, "level": "missing", "n": 7}]
    rows += [{"column_name": "", "characteristic": "All patients", "level": "", "n": 17, "n_total": 17, "n_missing": 0}]
    after = suppress({"baseline_characteristics": frame_of(tables, "baseline_characteristics", rows)}, BELOW)
    assert after["baseline_characteristics"]["n"].tolist() == [10, 7, 17]


@settings(max_examples=40, deadline=None)
@example(grades=[6, 7], ungraded=0, without=2)
@given(grades=st.lists(st.integers(1, 14), max_size=5), ungraded=COUNTS, without=COUNTS)
def test_no_grade_follows_from_the_others(
    tables: dict[str, pd.DataFrame], grades: list[int], ungraded: int, without: int
) -> None:
    n = sum(grades) + ungraded
    head = {"phase": "cart", "parent_term": None, "term": "infection", "n_total": n + without}
    rows = [{**head, "grade": None, "n": n}, *({**head, "grade": i + 1, "n": g} for i, g in enumerate(grades))]
    after = suppress({"adverse_event_rates": frame_of(tables, "adverse_event_rates", rows)}, BELOW)[
        "adverse_event_rates"
    ]
    cells = [*grades, ungraded, without]
    sums = [([*range(len(cells))], n + without)] if after["n_total"].notna().all() else []
    sums += [([*range(len(cells) - 1)], n)] if not pd.isna(after["n"][0]) else []
    assert small(after["n"]) == []
    assert recoverable(cells, [*after["n"][1:].notna(), ungraded == 0, False], sums) == []


Patients = st.lists(
    st.tuples(st.integers(1, 700), st.booleans(), st.sampled_from(["no", "yes", None])), min_size=8, max_size=80
)


def curve(patients: list[tuple[int, bool, str | None]], factor: str, level: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    survival = 1.0
    for day in sorted({p[0] for p in patients}):
        at_risk = sum(p[0] >= day for p in patients)
        events = sum(p[0] == day and p[1] for p in patients)
        survival *= 1 - events / at_risk
        head = {"endpoint": "OS", "factor": factor, "level": level, "time_months": day / 30.4375}
        censored = sum(p[0] == day and not p[1] for p in patients)
        rows.append({**head, "n_at_risk": at_risk, "n_events": events, "n_censored": censored, "survival": survival})
    return rows


@settings(max_examples=40, deadline=None)
@given(patients=Patients)
def test_no_step_of_a_curve_and_no_difference_between_curves_is_small(
    tables: dict[str, pd.DataFrame], patients: list[tuple[int, bool, str | None]]
) -> None:
    rows = curve(patients, "", "")
    for level in ("no", "yes"):
        rows += curve([p for p in patients if p[2] == level], "sex", level)
    after = suppress({"km_curves": frame_of(tables, "km_curves", rows)}, BELOW)["km_curves"]
    assert small(after[["n_at_risk", "n_events", "n_censored"]].to_numpy(dtype=float)) == []
    whole = after[after["factor"] == ""].set_index("time_months")[["n_events", "n_censored"]].cumsum()
    parts = after[after["factor"] == "sex"].copy()
    parts[["n_events", "n_censored"]] = parts.groupby("level")[["n_events", "n_censored"]].cumsum()
    for month, at_month in parts.groupby("time_months"):
        rest = whole.loc[month] - at_month[["n_events", "n_censored"]].sum()
        assert small(rest.to_numpy(dtype=float)) == []
    events = sum(p[1] for p in patients)
    shown = after.groupby(["factor", "level"])["n_events"].sum()
    if ("", "") in shown.index:
        assert small([events - shown["", ""], events, len(patients) - events]) == []


def test_a_large_curve_keeps_its_shape(tables: dict[str, pd.DataFrame]) -> None:
    patients: list[tuple[int, bool, str | None]] = [(day, day % 2 == 0, None) for day in range(1, 601)]
    rows = curve(patients, "", "")
    after = suppress({"km_curves": frame_of(tables, "km_curves", rows)}, BELOW)["km_curves"]
    assert len(after) == 20
    assert after["n_at_risk"].iloc[0] == 600
    before = pd.DataFrame(rows)
    for row in after.itertuples():
        exact = before.loc[before["time_months"] <= row.time_months, "survival"].iloc[-1]
        assert row.survival == round(exact, 2)
    assert set(CURVES) == {"km_curves", "cumulative_incidence"}


def test_one_small_exclusion_hides_the_flow_up_to_the_last_remainder(tables: dict[str, pd.DataFrame]) -> None:
    rows = [{"step": i, "n_excluded": x, "n_remaining": r} for i, (x, r) in enumerate([(0, 60), (2, 58), (10, 48)])]
    after = suppress({"cohort_flow": frame_of(tables, "cohort_flow", rows)}, BELOW)["cohort_flow"]
    assert after["n_excluded"].isna().all()
    assert after["n_remaining"].isna().tolist() == [True, True, False]
    rows[1] |= {"n_excluded": 12, "n_remaining": 48}
    rows[2] |= {"n_excluded": 0}
    after = suppress({"cohort_flow": frame_of(tables, "cohort_flow", rows)}, BELOW)["cohort_flow"]
    assert after["n_remaining"].tolist() == [60, 48, 48]


def test_curves_of_levels_stay_away_where_few_have_no_level(tables: dict[str, pd.DataFrame]) -> None:
    for without, shown in ((3, False), (0, True)):
        levels = ["no"] * 40 + ["yes"] * 40 + [None] * without
        patients: list[tuple[int, bool, str | None]] = [(5 * i % 599 + 1, True, x) for i, x in enumerate(levels)]
        rows = curve(patients, "", "") + curve(patients[:40], "sex", "no") + curve(patients[40:80], "sex", "yes")
        after = suppress({"km_curves": frame_of(tables, "km_curves", rows)}, BELOW)["km_curves"]
        assert (after["factor"] == "").any()
        assert (after["factor"] == "sex").any() == shown


def test_a_model_of_nearly_everybody_would_count_the_others(tables: dict[str, pd.DataFrame]) -> None:
    head = {"endpoint": "OS", "model": "univariate", "hazard_ratio": 2.0}
    models = (("age", 60, 30), ("sex", 57, 30), ("wbc", 40, 28), ("pax5", 40, 20))
    rows = [{**head, "term": term, "n": n, "n_events": events} for term, n, events in models]
    rates = [{"endpoint": "CR", "n": 30, "n_total": 60, "n_not_evaluable": 0}]
    after = suppress(
        {
            "cox_models": frame_of(tables, "cox_models", rows),
            "response_rates": frame_of(tables, "response_rates", rates),
        },
        BELOW,
    )["cox_models"].set_index("term")
    assert after["hazard_ratio"].notna().to_dict() == {"age": True, "sex": False, "wbc": False, "pax5": True}
    assert after["n"].notna().to_dict() == {"age": True, "sex": False, "wbc": True, "pax5": True}


def test_few_left_out_of_a_test_take_its_total_with_them(tables: dict[str, pd.DataFrame]) -> None:
    rows = [{"endpoint": "OS", "factor": f, "n": 50, "n_events": 20, "n_missing": m, "p_value": 0.1}
            for f, m in (("age", 10), ("sex", 2))]  # fmt: skip
    after = suppress({"logrank_tests": frame_of(tables, "logrank_tests", rows)}, BELOW)["logrank_tests"]
    hidden = after[["n", "n_events", "n_missing", "p_value"]].isna()
    assert hidden.all(axis=1).tolist() == [False, True]
    assert hidden.any(axis=1).tolist() == [False, True]
