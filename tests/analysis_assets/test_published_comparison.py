"""Printed figures beside computed ones: verdicts by hand, and the bundled paper against the reference cohort.

Oracle for the cohort: the independent fit report of the synthetic cohort (figures exact, and not exact, per table).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis_assets.assets import TABLES
from analysis_assets.inputs import StudyInputs
from analysis_assets.paper_audit import UNDECIDED
from analysis_assets.published import PublishedFigures, PublishedFiguresError, read_published
from analysis_assets.published_comparison import (
    AUDIT_TABLE_COLUMNS,
    COMPARED_TABLES,
    build_published_tables,
    published_audit,
    published_comparison,
)
from study import Study, load_study
from tests.analysis_assets.marts_fixture import Marts, reference_marts
from warehouse import write_table

ROOT = Path(__file__).parents[2]
CONTRACT = ["source_table", "item", "level", "statistic", "published", "computed", "difference", "verdict", "note"]


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study(ROOT / "study.yml")


@pytest.fixture(scope="module")
def tables(study: Study) -> dict[str, pd.DataFrame]:
    connection = reference_marts().connection
    inputs = StudyInputs(connection, study)
    connection.execute("create schema analysis")
    for table in TABLES:
        if table.name in COMPARED_TABLES:
            write_table(connection, "analysis", table.name, table.load()(inputs, study))
    return build_published_tables(connection, study)


def test_every_printed_figure_has_one_row_and_the_contract_columns(tables: dict[str, pd.DataFrame]) -> None:
    comparison = tables["published_comparison"]
    assert set(CONTRACT) <= set(comparison.columns)
    figures = read_published("paper")
    assert figures is not None
    assert len(comparison) == len(figures.figures) == 668


@pytest.mark.parametrize(
    ("table", "reproduced", "misprints", "differing"),
    [("table1", 45, 7, 0), ("table2", 125, 1, 0), ("table3", 60, 0, 0), ("table4", 25, 0, 47), ("table5", 24, 0, 44),
     ("table6", 52, 0, 0), ("table7", 52, 12, 0), ("table8", 28, 2, 0)],
)  # fmt: skip
def test_tables_are_reproduced_as_the_fit_report_states(
    tables: dict[str, pd.DataFrame], table: str, reproduced: int, misprints: int, differing: int
) -> None:
    verdicts = tables["published_comparison"].query("source_table == @table")["verdict"].value_counts()
    assert verdicts.to_dict() == {
        verdict: n for verdict, n in (("reproduced", reproduced), ("misprint", misprints), ("differs", differing)) if n
    }


def test_what_differs_is_no_farther_off_than_the_fit_report_states(tables: dict[str, pd.DataFrame]) -> None:
    comparison = tables["published_comparison"]
    differing = comparison[comparison["verdict"] == "differs"]
    largest = differing.groupby("source_table")["difference"].apply(lambda d: d.abs().max())
    assert largest["table4"] < 0.0541
    assert largest["table5"] < 0.0356


def test_separated_rows_compare_with_what_spss_prints(tables: dict[str, pd.DataFrame]) -> None:
    comparison = tables["published_comparison"]
    age = comparison[(comparison["source_table"] == "table3") & (comparison["item"] == "Age")]
    assert set(age["verdict"]) == {"reproduced"}
    assert age["note"].str.contains("SPSS").all()
    assert age.set_index("statistic").loc["univariate_p", "computed"] == pytest.approx(0.99868, abs=5e-6)


def test_an_empty_stepwise_model_is_reproduced_as_printed(tables: dict[str, pd.DataFrame]) -> None:
    comparison = tables["published_comparison"]
    none = comparison[comparison["item"] == "No independent factor"]
    assert set(none["verdict"]) == {"reproduced"}


# --- verdicts by hand --------------------------------------------------------------------------------------------


def paper(*rows: tuple[str, str, str, str], keys: str = "endpoint={item}", column: str = "pct") -> PublishedFigures:
    figures = pd.DataFrame(
        [
            ("t1", str(i), item, level, statistic, value, value)
            for i, (item, level, statistic, value) in enumerate(rows)
        ],
        columns=["table", "row", "item", "level", "statistic", "value", "value_num"],
    )
    rule = {
        "source_table": "t1", "item": "*", "level": "*", "statistic": "pct", "analysis_table": "response_rates",
        "keys": keys, "column": column, "scale": "1",
    }  # fmt: skip
    return PublishedFigures(figures, pd.DataFrame([rule]))


def verdicts(figures: PublishedFigures, rates: pd.DataFrame | None) -> list[str]:
    computed = {} if rates is None else {"response_rates": rates}
    audit = published_audit(figures, "spss")
    return list(published_comparison(computed, figures, audit, "spss")["verdict"])


def test_half_a_unit_of_the_last_digit_decides() -> None:
    rates = pd.DataFrame({"endpoint": ["A", "B", "C"], "pct": [92.349, 92.351, 92.25]})
    printed = paper(("A", "", "pct", "92.3"), ("B", "", "pct", "92.3"), ("C", "", "pct", "92.3"))
    assert verdicts(printed, rates) == ["reproduced", "differs", "reproduced"]


def test_what_no_table_holds_is_not_computable_and_says_why() -> None:
    printed = paper(("A", "", "pct", "92.3"), ("A", "", "sd", "1.0"))
    assert verdicts(printed, None) == ["not_computable", "not_computable"]
    rates = pd.DataFrame({"endpoint": ["A"], "pct": [float("nan")]})
    comparison = published_comparison({"response_rates": rates}, printed, published_audit(printed, "r"), "r")
    assert list(comparison["verdict"]) == ["not_computable", "not_computable"]
    assert "holds no value" in comparison["note"][0]
    assert "no rule" in comparison["note"][1]
    assert set(comparison["convention"]) == {"r"}


def follow_up_verdicts(*minima: str, audited: bool = True) -> list[str]:
    """Verdicts on the minimum of follow-up as several places print it; computed are 0.887 months."""
    places = ("methods", "discussion", "abstract")
    figures = PublishedFigures(
        paper(*(("x", place, "min", text) for place, text in zip(places, minima, strict=False))).figures,
        pd.DataFrame(
            [{"source_table": "t1", "item": "x", "level": "*", "statistic": "min", "analysis_table": "follow_up",
              "keys": "method=plain", "column": "min_months", "scale": "1"}]
        ),
    )  # fmt: skip
    computed = {"follow_up": pd.DataFrame({"method": ["plain"], "min_months": [0.887]})}
    audit = published_audit(figures, "spss")
    audit = audit if audited else audit.iloc[:0]
    return list(published_comparison(computed, figures, audit, "spss")["verdict"])


def test_only_a_proven_contradiction_is_called_a_misprint() -> None:
    assert follow_up_verdicts("0.9", "0", "0.9") == ["reproduced", "misprint", "reproduced"]
    assert follow_up_verdicts("0.9", "0", "0.9", audited=False) == ["reproduced", "differs", "reproduced"]


def test_where_two_places_draw_neither_is_proven_wrong() -> None:
    assert follow_up_verdicts("0.9", "0") == ["reproduced", "differs"]


def test_a_draw_of_the_audit_hides_no_proof_on_the_same_figure() -> None:
    figures = paper(("A", "", "pct", "92.3"))
    rates = pd.DataFrame({"endpoint": ["A"], "pct": [50.0]})
    place = {"source_table": "t1", "item": "A", "level": "", "statistic": "pct"}
    draw = {**place, "check": "text", "explanation": f"x. {UNDECIDED}"}
    proof = {**place, "check": "percentage", "explanation": "no whole number of patients"}
    for findings, verdict in (([draw, proof], "misprint"), ([draw], "differs")):
        audit = pd.DataFrame(findings)
        assert list(published_comparison({"response_rates": rates}, figures, audit, "spss")["verdict"]) == [verdict]


MODELS = pd.DataFrame(
    [{"outcome": "CR", "model": "univariate", "term": term, "term_label": label, "n": 39, "odds_ratio": 1.0}
     for term, label in (("age", "Age"), ("wbc", "WBC"))]
)  # fmt: skip
RAN = pd.DataFrame({"outcome": ["CR"], "model_family": ["logistic"], "step": [1], "note": [None]})
NOT_BEGUN = RAN.assign(step=0, note="no included patient was assessed for CR")
KEPT_WBC = pd.DataFrame(
    [{"outcome": "CR", "model": "multivariate", "term": "wbc", "term_label": "WBC", "n": 39, "odds_ratio": 2.0}]
)


def beside_a_dash(item: str, statistic: str, **computed: pd.DataFrame) -> tuple[str, str]:
    rule = {
        "source_table": "t1", "item": "*", "level": "*", "statistic": "{model}_or", "analysis_table": "logistic_models",
        "keys": "outcome=CR;model={model};term_label={item}", "column": "odds_ratio", "scale": "1",
    }  # fmt: skip
    figures = PublishedFigures(paper((item, "", statistic, "–")).figures, pd.DataFrame([rule]))
    row = published_comparison(computed, figures, published_audit(figures, "spss"), "spss").iloc[0]
    return str(row["verdict"]), str(row["note"])


@pytest.mark.parametrize(
    ("item", "models", "steps", "expected"),
    [("No factor", MODELS, RAN, ("reproduced", "no factor entered the model, as printed")),
     ("No factor", MODELS, NOT_BEGUN,
      ("not_computable", "no selection ran for CR: no included patient was assessed for CR")),
     ("No factor", MODELS, RAN.assign(outcome="OS"), ("not_computable", "no selection ran for CR")),
     ("No factor", MODELS, RAN.assign(model_family="cox"), ("not_computable", "no selection ran for CR")),
     ("Age", pd.concat([MODELS, KEPT_WBC]), RAN, ("reproduced", "the factor did not enter the model, as printed")),
     ("No factor", pd.concat([MODELS, KEPT_WBC]), RAN,
      ("not_computable", "no number is printed; the model holds wbc"))],
)  # fmt: skip
def test_a_dash_of_a_selection_is_reproduced_only_where_one_ran(
    item: str, models: pd.DataFrame, steps: pd.DataFrame, expected: tuple[str, str]
) -> None:
    assert beside_a_dash(item, "multivariate_or", logistic_models=models, selection_steps=steps) == expected


@pytest.mark.parametrize(
    ("row", "verdict"),
    [({"n": None, "note": "no included patient was assessed for CR"}, "not_computable"),
     ({"n": 0, "note": "Age is not known for any patient"}, "not_computable"),
     ({"n": 39, "note": "every patient with a known value is at level '<18 years'"}, "reproduced"),
     ({"n": 39, "estimator": "firth", "odds_ratio": 0.1, "spss_odds_ratio": 1e9, "spss_p_value": 0.9}, "reproduced"),
     ({"n": 39, "estimator": "mle", "odds_ratio": 0.1}, "not_computable")],
)  # fmt: skip
def test_a_dash_of_a_row_is_reproduced_only_where_patients_gave_no_figure(row: dict[str, object], verdict: str) -> None:
    head = {"outcome": "CR", "model": "univariate", "term_label": "Age", "odds_ratio": None}
    assert beside_a_dash("Age", "univariate_or", logistic_models=pd.DataFrame([{**head, **row}]))[0] == verdict


def test_a_cohort_without_patients_reproduces_nothing(study: Study) -> None:
    connection = Marts().connection
    inputs = StudyInputs(connection, study)
    connection.execute("create schema analysis")
    for table in TABLES:
        if table.name in COMPARED_TABLES:
            write_table(connection, "analysis", table.name, table.load()(inputs, study))
    comparison = build_published_tables(connection, study)["published_comparison"]
    assert "reproduced" not in set(comparison["verdict"])
    assert not comparison["note"][comparison["verdict"] == "not_computable"].isna().any()


def test_no_paper_gives_empty_tables_of_the_same_columns(study: Study) -> None:
    connection = reference_marts().connection
    built = build_published_tables(connection, study.model_copy(update={"published": None}))
    assert [len(frame) for frame in built.values()] == [0, 0]
    assert list(built["published_audit"].columns) == list(AUDIT_TABLE_COLUMNS)


def test_a_folder_without_figures_and_a_file_without_a_column_are_named(tmp_path: Path) -> None:
    with pytest.raises(PublishedFiguresError, match="no CSV file"):
        read_published(str(tmp_path))
    (tmp_path / "table1.csv").write_text("table,row,item,level,value\n", encoding="utf-8")
    with pytest.raises(PublishedFiguresError, match=r"table1\.csv lacks the column\(s\) statistic"):
        read_published(str(tmp_path))


def test_another_papers_folder_may_bring_its_own_mapping(tmp_path: Path) -> None:
    printed = paper(("A", "", "pct", "50.0"))
    printed.figures.to_csv(tmp_path / "table1.csv", index=False)
    printed.mapping.to_csv(tmp_path / "mapping.csv", index=False)
    figures = read_published(str(tmp_path))
    assert figures is not None
    assert verdicts(figures, pd.DataFrame({"endpoint": ["A"], "pct": [50.04]})) == ["reproduced"]
