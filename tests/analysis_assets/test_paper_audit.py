"""The audit finds what contradicts itself in a paper, and nothing else.

Oracle for the bundled paper: the list of misprints that an independent enumeration of all integer tables proved.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis_assets.paper_audit import AUDIT_COLUMNS, UNDECIDED, audit_published
from analysis_assets.paper_audit.crosstabs import independence_p_values
from analysis_assets.paper_audit.effects import EffectRow, feasible_estimates, solve_tables, spss_separated_p
from analysis_assets.paper_audit.printed import Cell, name_of, parse_level, place_of, printed_interval
from tests.analysis_assets.clean_papers import clean_paper

SEEDS = Path(__file__).parents[2] / "dbt_project" / "seeds" / "published"
TEXT = "text_figures"


def read_paper() -> pd.DataFrame:
    files = sorted(SEEDS.glob("*.csv"))
    return pd.concat([pd.read_csv(f, dtype=str, keep_default_na=False) for f in files], ignore_index=True)


def change(paper: pd.DataFrame, table: str, item: str, level: str, **figures: str) -> None:
    for statistic, text in figures.items():
        cell = (
            (paper["table"] == table)
            & (paper["item"] == item)
            & (paper["level"] == level)
            & (paper["statistic"] == statistic)
        )
        assert cell.sum() == 1
        paper.loc[cell, ["value", "value_num"]] = text


def univariate(p: str, ratio: str, low: str, high: str) -> dict[str, str]:
    return {"univariate_p": p, "univariate_or": ratio, "univariate_ci_low": low, "univariate_ci_high": high}


def corrected_paper() -> pd.DataFrame:
    """The bundled paper with every proven misprint mended."""
    paper = read_paper()
    for table, suffix in (("table1", ""), (TEXT, " (results text)")):
        item = str.lower if suffix else str
        change(paper, table, item("Refractory disease"), "yes" + suffix, n="17", pct="43.6")
        change(paper, table, item("Relapsed disease"), "yes" + suffix, n="35", pct="89.7")
        change(paper, table, item("Age (years)"), "31-60" + suffix, pct="17.9")
    change(paper, "table1", "Gene mutation", "Others", pct="59.0")
    change(paper, "table1", "CNSL", "yes", pct="30.8")
    change(paper, "table2", "SH2B3 mutation", "", p="0.296")
    positive = "positive vs negative"
    change(paper, "table7", "SH2B3 mutation", positive, **univariate("0.236", "0.430", "0.106", "1.739"))
    change(paper, "table7", "PAX5 mutation", positive, **univariate("0.171", "0.350", "0.078", "1.573"))
    change(paper, "table7", "CNSL", "yes vs no", **univariate("0.661", "0.727", "0.175", "3.023"))
    for item in ("Gastrointestinal reactions", "Hepatic injury"):
        change(paper, "table8", item, "any", pct="23.5")
        change(paper, TEXT, "HSCT adverse events (text)", item.lower(), pct="23.5")
    change(paper, TEXT, "follow-up (months)", "discussion", min="0.9")
    return paper


@pytest.fixture(scope="module")
def corrected() -> pd.DataFrame:
    return corrected_paper()


def rows(paper: pd.DataFrame, table: str, row: int) -> pd.DataFrame:
    return paper[(paper["table"] == table) & (paper["row"] == str(row))]


def copy_figures(source: pd.DataFrame, target: pd.DataFrame, table: str, start: int, end: int) -> pd.DataFrame:
    copy = target.copy()
    for statistic, text in zip(*(rows(source, table, start)[c] for c in ("statistic", "value")), strict=True):
        cell = (copy["table"] == table) & (copy["row"] == str(end)) & (copy["statistic"] == statistic)
        copy.loc[cell, ["value", "value_num"]] = text
    return copy


def found_in(findings: pd.DataFrame, table: str, *items: str) -> bool:
    return bool(((findings["source_table"] == table) & findings["item"].isin(items)).any())


# --- the bundled paper -------------------------------------------------------------------------------------------


def test_the_bundled_paper_yields_its_proven_misprints_and_nothing_else() -> None:
    findings = audit_published(read_paper())
    assert list(findings.columns) == list(AUDIT_COLUMNS)
    found = set(
        findings[["check", "source_table", "item", "level", "printed", "expected"]].itertuples(index=False, name=None)
    )
    yes = "yes (results text)"
    adverse = "HSCT adverse events (text)"
    assert found == {
        ("margin", "table1", "Refractory disease", "yes", "36", "17"),
        ("margin", "table1", "Refractory disease", "yes", "92.3", "43.6"),
        ("margin", "table1", "Relapsed disease", "yes", "17", "35"),
        ("margin", "table1", "Relapsed disease", "yes", "43.6", "89.7"),
        ("text", TEXT, "refractory disease", yes, "36", "17"),
        ("text", TEXT, "refractory disease", yes, "92.3", "43.6"),
        ("text", TEXT, "relapsed disease", yes, "17", "35"),
        ("text", TEXT, "relapsed disease", yes, "43.6", "89.7"),
        ("percentage", "table1", "Gene mutation", "Others", "69.0", "59.0"),
        ("percentage", "table1", "CNSL", "yes", "30.7", "30.8"),
        ("percentage", "table1", "Age (years)", "31-60", "18.0", "17.9"),
        ("percentage", TEXT, "age (years)", "31-60 (results text)", "18.0", "17.9"),
        ("chi_square", "table2", "SH2B3 mutation", "", "0.269", "0.296"),
        ("swapped_rows", "table7", "SH2B3 mutation", "positive vs negative", "0.350", "0.430"),
        ("swapped_rows", "table7", "PAX5 mutation", "positive vs negative", "0.430", "0.350"),
        ("duplicate_row", "table7", "CNSL", "yes vs no", "0.525", "0.417 or 0.727"),
        ("percentage", "table8", "Gastrointestinal reactions", "any", "23.7", "23.5"),
        ("percentage", "table8", "Hepatic injury", "any", "23.7", "23.5"),
        ("percentage", TEXT, adverse, "gastrointestinal reactions", "23.7", "23.5"),
        ("percentage", TEXT, adverse, "hepatic injury", "23.7", "23.5"),
        ("text", TEXT, "follow-up (months)", "methods", "0.9", "0"),
        ("text", TEXT, "follow-up (months)", "discussion", "0", "0.9"),
    }  # fmt: skip


def test_of_the_bundled_paper_the_audit_leaves_one_draw_undecided() -> None:
    findings = audit_published(read_paper())
    undecided = findings[findings["explanation"].str.endswith(UNDECIDED)]
    assert undecided[["item", "printed"]].to_numpy().tolist() == [
        ["follow-up (months)", "0.9"],
        ["follow-up (months)", "0"],
    ]


@pytest.mark.parametrize(("tables", "drawn"), [((12, 14), [12, 14]), ((12, 14, 12), [])])
def test_a_draw_of_counts_is_said_to_be_one_and_a_vote_is_not(tables: tuple[int, ...], drawn: list[int]) -> None:
    counts = [("Patients", "", 40), ("Gender", "male", 22), ("Gender", "female", 18), ("Asthma", "yes", 9)]
    paper = pd.DataFrame(
        [(f"t{number}", str(row), item, level, "n", str(n), str(n))
         for number, fever in enumerate(tables)
         for row, (item, level, n) in enumerate([*counts, ("Fever", "yes", fever)], start=1)],
        columns=["table", "row", "item", "level", "statistic", "value", "value_num"],
    )  # fmt: skip
    findings = audit_published(paper)
    assert "14" in set(findings["printed"])
    undecided = findings[findings["explanation"].str.endswith(UNDECIDED)]
    assert undecided["printed"].astype(int).tolist() == drawn


def test_the_corrected_paper_is_silent(corrected: pd.DataFrame) -> None:
    assert audit_published(corrected).empty


def test_the_other_attainable_row_for_the_repeated_one_is_silent_as_well(corrected: pd.DataFrame) -> None:
    paper = corrected.copy()
    change(paper, "table7", "CNSL", "yes vs no", **univariate("0.256", "0.417", "0.092", "1.888"))
    assert audit_published(paper).empty


def test_names_do_not_matter(corrected: pd.DataFrame) -> None:
    renamed = read_paper()
    other_words = {
        "SH2B3": "QRX7", "PAX5": "ZED9", "CNSL": "Uveitis", "BCR/ABL1": "Y/Z2", "Refractory": "Stubborn",
        "refractory": "stubborn", "Relapsed": "Returned", "relapsed": "returned", "Extramedullary": "Peripheral",
        "extramedullary": "peripheral", "Gastrointestinal": "Dental", "gastrointestinal": "dental",
    }  # fmt: skip
    for column, (old, new) in itertools.product(("item", "level"), other_words.items()):
        renamed[column] = renamed[column].str.replace(old, new, regex=False)
    columns = ["check", "statistic", "printed", "expected"]
    expected = audit_published(read_paper())[columns]
    pd.testing.assert_frame_equal(audit_published(renamed)[columns], expected)


def test_figures_that_a_reader_has_turned_into_numbers_are_judged_alike(
    corrected: pd.DataFrame, tmp_path: Path
) -> None:
    for frame, findings in ((corrected, 0), (read_paper(), 22)):
        parts = []
        for name, table in frame.groupby("table"):
            table.to_csv(tmp_path / f"{name}.csv", index=False)
            parts.append(pd.read_csv(tmp_path / f"{name}.csv"))
        assert len(audit_published(pd.concat(parts))) == findings


# --- errors planted in the corrected paper ----------------------------------------------------------------------


def swapped_digits(text: str) -> list[str]:
    places = [i for i, sign in enumerate(text) if sign.isdigit()]
    answers = []
    for left, right in itertools.pairwise(places):
        signs = list(text)
        signs[left], signs[right] = signs[right], signs[left]
        answers.append("".join(signs))
    return [a for a in answers if a != text]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "row"),
    [("table1", 4), ("table1", 19), ("table2", 2), ("table2", 25), ("table2", 34), ("table3", 2), ("table3", 11),
     ("table4", 6), ("table4", 17), ("table5", 16), ("table6", 5), ("table6", 14), ("table7", 4), ("table8", 6)],
)  # fmt: skip
def test_two_swapped_digits_are_found(corrected: pd.DataFrame, table: str, row: int) -> None:
    item = rows(corrected, table, row)["item"].iloc[0]
    for position, text in rows(corrected, table, row)["value"].items():
        for wrong in swapped_digits(text)[:1]:
            paper = corrected.copy()
            paper.loc[position, ["value", "value_num"]] = wrong
            assert found_in(audit_published(paper), table, item), (text, wrong)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "within_rounding"),
    [("table2", 0), ("table3", 0), ("table4", 0), ("table5", 1), ("table6", 0), ("table7", 1), ("table8", 0)],
)
def test_every_swap_of_neighbouring_digits_is_found(corrected: pd.DataFrame, table: str, within_rounding: int) -> None:
    """All but those that stay within the rounding of the row's other figures (last digits of two upper limits)."""
    missed = []
    for position, text in corrected.loc[corrected["table"] == table, "value"].items():
        for wrong in swapped_digits(text):
            paper = corrected.copy()
            paper.loc[position, ["value", "value_num"]] = wrong
            if audit_published(paper).empty:
                missed.append((text, wrong))
    assert len(missed) == within_rounding, missed


@pytest.mark.parametrize(
    ("table", "source", "target"),
    [("table3", 10, 11), ("table3", 5, 6), ("table7", 7, 8), ("table7", 4, 5), ("table4", 6, 7), ("table4", 15, 16),
     ("table5", 3, 4), ("table1", 14, 15), ("table6", 8, 9), ("table8", 5, 6), ("table2", 38, 39)],
)  # fmt: skip
def test_a_row_repeated_over_another_is_found(corrected: pd.DataFrame, table: str, source: int, target: int) -> None:
    paper = copy_figures(corrected, corrected, table, source, target)
    items = [rows(corrected, table, r)["item"].iloc[0] for r in (source, target)]
    assert found_in(audit_published(paper), table, *items)


def test_a_row_printed_twice_is_found(corrected: pd.DataFrame) -> None:
    findings = audit_published(pd.concat([corrected, rows(corrected, "table6", 5)]))
    assert set(findings["check"]) == {"duplicate_row"}


@pytest.mark.parametrize(("table", "first", "second"), [("table3", 10, 11), ("table7", 10, 11), ("table7", 4, 5)])
def test_exchanged_rows_are_named_as_such(corrected: pd.DataFrame, table: str, first: int, second: int) -> None:
    paper = copy_figures(corrected, copy_figures(corrected, corrected, table, first, second), table, second, first)
    findings = audit_published(paper)
    in_table = findings[findings["source_table"] == table]  # the text that quotes the table is found as well
    assert list(in_table["check"]) == ["swapped_rows", "swapped_rows"]


@pytest.mark.parametrize(
    ("table", "statistic", "source", "target"),
    [("table1", "n", 3, 4), ("table1", "n", 6, 7), ("table2", "n_cr", 2, 3), ("table2", "n_noncr", 29, 30),
     ("table6", "n", 4, 5), ("table6", "n", 12, 13), ("table8", "n", 2, 3)],
)  # fmt: skip
def test_a_patient_moved_to_another_level_is_found(
    corrected: pd.DataFrame, table: str, statistic: str, source: int, target: int
) -> None:
    paper = corrected.copy()
    for row, step in ((source, -1), (target, 1)):
        cell = (paper["table"] == table) & (paper["row"] == str(row)) & (paper["statistic"] == statistic)
        paper.loc[cell, ["value", "value_num"]] = str(int(paper.loc[cell, "value"].iloc[0]) + step)
    item = rows(corrected, table, source)["item"].iloc[0]
    assert found_in(audit_published(paper), table, item)


def test_moved_patients_are_found_even_where_the_percentages_moved_along(corrected: pd.DataFrame) -> None:
    paper = corrected.copy()
    change(paper, "table1", "Age (years)", "<18", n="26", pct="66.7")
    change(paper, "table1", "Age (years)", "18-30", n="6", pct="15.4")
    findings = audit_published(paper)
    assert found_in(findings, "table1", "Age (years)")
    assert "27" in set(findings["expected"])


@pytest.mark.parametrize(
    ("table", "item", "level", "figures", "check"),
    [
        ("table4", "Refractory disease", "yes vs no", {"univariate_p": "0.060"}, "p_value"),
        ("table5", "WBC", ">=30 vs <30 x10^9/L", {"univariate_ci_high": "2.066"}, "interval"),
        ("table7", "WBC", ">=30 vs <30 x10^9/L", {"multivariate_ci_low": "0.290"}, "interval"),
        ("table3", "Gender", "male vs female", {"univariate_ci_high": "5.730"}, "interval"),
        ("table3", "Age", ">=18 vs <18 years", {"univariate_p": "0.099"}, "p_value"),
    ],
)
def test_an_interval_that_does_not_fit_its_p_value_is_found(
    corrected: pd.DataFrame, table: str, item: str, level: str, figures: dict[str, str], check: str
) -> None:
    paper = corrected.copy()
    change(paper, table, item, level, **figures)
    findings = audit_published(paper)
    assert check in set(findings.loc[(findings["source_table"] == table) & (findings["item"] == item), "check"])


def test_the_figure_at_fault_is_named_rather_than_those_it_contradicts(corrected: pd.DataFrame) -> None:
    paper = corrected.copy()
    change(paper, "table6", "CRS", "Grade III", n="9")
    findings = audit_published(paper)
    margin = findings[findings["check"] == "margin"]
    assert margin[["item", "printed", "expected"]].to_numpy().tolist() == [["CRS", "9", "6"]]
    assert TEXT not in set(findings["source_table"])


# --- papers of other cohorts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_clean_papers_are_silent(seed: int) -> None:
    findings = audit_published(clean_paper(seed))
    assert findings.empty, findings.to_string()


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_hundreds_of_clean_papers_are_silent(block: int) -> None:
    loud = [seed for seed in range(1000 + 40 * block, 1040 + 40 * block) if len(audit_published(clean_paper(seed)))]
    assert loud == []


@pytest.mark.parametrize("seed", range(12))
def test_errors_in_other_papers_are_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clean = clean_paper(seed)
    for table, statistic in (("table1", "pct"), ("table2", "n_cr"), ("table5", "univariate_hr"), ("table7", "n")):
        cells = clean[(clean["table"] == table) & (clean["statistic"] == statistic)]
        position = int(rng.choice(cells.index.to_numpy()))
        paper = clean.copy()
        wrong = float(paper.loc[position, "value"]) * 1.3 + 2
        paper.loc[position, "value"] = f"{wrong:.0f}" if statistic.startswith("n") else f"{wrong:.3f}"
        assert found_in(audit_published(paper), table, clean.loc[position, "item"]), (table, position)


def test_nothing_is_claimed_of_a_paper_with_other_conventions() -> None:
    """Profile-likelihood intervals are not symmetric on the log scale: no row is called wrong for that."""
    paper = clean_paper(3)
    low = paper["statistic"].str.endswith("ci_low") & (paper["table"] == "table5")
    paper.loc[low, "value"] = [f"{float(v) * 0.93:.3f}" for v in paper.loc[low, "value"]]
    assert "interval" not in set(audit_published(paper)["check"])


def test_an_empty_paper_has_no_findings() -> None:
    assert audit_published(read_paper().iloc[:0]).empty


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ValueError, match="statistic"):
        audit_published(pd.DataFrame({"table": [], "row": [], "item": [], "level": [], "value": []}))


# --- the parts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "statistic", "low", "high"),
    [("18.0", "pct", 17.95, 18.05), ("0.9", "min", 0.85, 0.95), ("0", "min", -0.5, 0.5), ("36", "n", 36, 36),
     ("<0.001", "p", 0, 0.001), (">0.99", "p", 0.99, math.inf), (".05", "p", 0.045, 0.055), ("1,204", "n", 1204, 1204)],
)  # fmt: skip
def test_rounding_intervals(text: str, statistic: str, low: float, high: float) -> None:
    interval = printed_interval(text, statistic)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize("text", ["–", "", "2015-08", "n.s."])
def test_other_text_is_no_number(text: str) -> None:
    assert printed_interval(text) is None


def test_the_same_patients_bear_one_name() -> None:
    assert name_of("Gene mutation", "SH2B3") == name_of("SH2B3 mutation", "Positive")
    assert name_of("Age (years)", "<18") == name_of("age", "<18 years (results text)")
    assert name_of("Symptoms of CRS: fever", "any") == name_of("CRS symptom (text)", "fever")
    assert name_of("Fusion gene", "Others") != name_of("Gene mutation", "Others")
    assert parse_level("Grade III") == parse_level("iii")
    assert place_of("fig 1a") == "fig 1a"
    assert place_of("Flu+Cy") == ""


def test_pearson_yates_and_fisher_agree_with_scipy() -> None:
    table = np.array([[23, 1], [13, 2]])
    answers = independence_p_values(table)
    assert answers["pearson"] == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, rel=1e-9)
    assert answers["yates"] == pytest.approx(stats.chi2_contingency(table, correction=True).pvalue, rel=1e-9)
    assert answers["fisher"] == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-9)


def test_fisher_of_three_levels_by_hand() -> None:
    # margins (2, 1, 1) and (2, 2): six tables of equal weight 1/6 but for the two with both cells in one row
    answers = independence_p_values(np.array([[2, 0], [0, 1], [0, 1]]))
    # tables by first column (a, b, c) with a + b + c = 2: (2,0,0) 1, (1,1,0) 2, (1,0,1) 2, (0,1,1) 1, of C(4, 2) = 6
    assert answers["fisher"] == pytest.approx(2 / 6, rel=1e-9)


def effect_row(ratio: str, low: str, high: str, p: str) -> EffectRow:
    row = EffectRow("t", 1, "Refractory", "yes vs no", "", "or")
    for kind, text in (("ratio", ratio), ("ci_low", low), ("ci_high", high), ("p", p)):
        row.cells[kind] = Cell("t", 1, "Refractory", "yes vs no", kind, text, printed_interval(text))
    return row


def test_the_table_behind_an_odds_ratio_is_found_by_hand() -> None:
    # 11/6 against 4/18 with 15 events of 39: OR = 11 * 18 / (6 * 4) = 8.25
    solutions = solve_tables(effect_row("8.250", "1.895", "35.910", "0.005"), np.arange(1, 39), np.array(15), 39)
    assert solutions == [(17, 15, 11)]


def test_separated_rows_print_what_spss_prints() -> None:
    assert [f"{spss_separated_p(n):.3f}" for n in (12, 4, 9, 19)] == ["0.999", "0.999", "0.999", "0.998"]


def test_one_wald_estimate_for_three_figures_and_none_for_a_wrong_one() -> None:
    kinds = ("ratio", "ci_low", "ci_high", "p")
    assert feasible_estimates(effect_row("3.528", "1.438", "8.659", "0.006"), kinds)
    assert not feasible_estimates(effect_row("3.528", "1.438", "8.695", "0.006"), kinds)
    assert not feasible_estimates(effect_row("3.528", "1.438", "8.659", "0.060"), kinds)
