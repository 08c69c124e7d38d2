"""Every figure at 3, 39 and 300 patients: no text collides or leaves the page, the same input gives the same bytes."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis_assets import figures
from analysis_assets.figures.layout import overlapping_texts, text_boxes, texts_off_page
from analysis_assets.figures.style import message_figure, month_ticks, months_text, p_text
from analysis_assets.gallery import Plot, draw_plot
from tests.analysis_assets.figures.drawings import DRAWINGS, LABELS, patients
from tests.analysis_assets.figures.tables import cox_models, long_flow

LONG = "A factor whose name somebody typed in full, with its unit and the laboratory that measured it"
SIZES = (3, 39, 300)


@pytest.mark.slow
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", DRAWINGS)
def test_no_text_collides_or_leaves_the_page(name: str, n: int) -> None:
    figure = DRAWINGS[name](patients(n))
    boxes = text_boxes(figure)
    assert overlapping_texts(figure, boxes) == []
    assert texts_off_page(figure, boxes) == []
    assert "Synthetic data: no row describes a real patient" in {box.text for box in boxes}


@pytest.mark.slow
def test_a_million_patients_and_long_names_fit() -> None:
    curves, summary = patients(39).curves.copy(), patients(39).summary.copy()
    curves["n_at_risk"] *= 1_000_000 / 39
    summary["n"] *= 1_000_000 / 39
    for frame in (curves, summary):
        frame["level"] = frame["level"].str.replace("anti-CD19", "anti-CD19, second generation, lentiviral")
    drawn = figures.kaplan_meier_figure(
        curves, summary, patients(39).tests, endpoint="OS", factor="cart_target", factor_label=LONG
    )
    models = cox_models(18)
    for figure in (
        drawn,
        figures.forest_figure(models, outcome="EFS", labels={"age": LONG}),
        figures.consort_figure(long_flow(), synthetic=True),
        figures.swimmer_figure(patients(300).lanes, 1_000_000),
    ):
        boxes = text_boxes(figure)
        assert overlapping_texts(figure, boxes) == []
        assert texts_off_page(figure, boxes) == []


def test_the_checker_sees_colliding_text_and_text_off_the_page() -> None:
    figure = Figure(figsize=(3, 2))
    figure.text(0.5, 0.5, "median")
    figure.text(0.52, 0.5, "11.6 months")
    figure.text(0.9, 0.9, "beyond the edge of the page")
    assert overlapping_texts(figure) == [("median", "11.6 months")]
    assert texts_off_page(figure) == ["beyond the edge of the page"]


def texts(figure: Figure) -> set[str]:
    return {box.text for box in text_boxes(figure)}


def test_numbers_at_risk_stand_under_their_month() -> None:
    figure = DRAWINGS["km_by_factor"](patients(39))
    boxes = text_boxes(figure)
    curves = patients(39).curves
    os_by_hsct = curves[(curves["endpoint"] == "OS") & (curves["factor"] == "bridged_to_hsct")]
    centres = {box.text: (box.left + box.right) / 2 for box in boxes if box.text in {"0", "12", "24"} and box.top > 60}
    for level, row in (("no", 0), ("yes", 1)):
        times = os_by_hsct.loc[os_by_hsct["level"] == level, "time_months"]
        expected = int(os_by_hsct.loc[times[times >= 12].index, "n_at_risk"].max())
        label = next(box for box in boxes if box.text == level)
        middle = (label.bottom + label.top) / 2
        in_row = [box for box in boxes if box.bottom < middle < box.top and box.text != level]
        under = min(in_row, key=lambda box: abs((box.left + box.right) / 2 - centres["12"]))
        assert under.text == str(expected), (level, row)
        assert (under.left + under.right) / 2 == pytest.approx(centres["12"], abs=1)


def test_median_lines_band_and_censoring_ticks_are_drawn_where_the_table_says() -> None:
    figure = DRAWINGS["km_all"](patients(39))
    axes = figure.axes[0]
    curves = patients(39).curves
    efs = curves[(curves["endpoint"] == "EFS") & (curves["factor"] == "")]
    ticks = next(line for line in axes.lines if line.get_marker() == "|")
    censored = efs[efs["n_censored"] > 0]
    assert np.asarray(ticks.get_xdata()).tolist() == censored["time_months"].tolist()
    assert np.asarray(ticks.get_ydata()) == pytest.approx(100 * censored["survival"].to_numpy())
    vertical = [line for line in axes.lines if np.asarray(line.get_ydata()).tolist() == [0, 50]]
    assert np.asarray(vertical[0].get_xdata()) == pytest.approx([353 / 30.4375] * 2)
    assert len(axes.collections) == 1


def test_survival_figure_says_test_and_medians_in_words() -> None:
    table = patients(39)
    words = figures.kaplan_meier_text(
        table.curves, table.summary, table.tests, endpoint="EFS", factor="bridged_to_hsct", factor_label="HSCT"
    )
    assert "Event-free survival by HSCT" in words
    assert "no: n = 22, 15 events, median 5.5 months (95% CI 4.4–6.7)" in words
    assert "Log-rank P = 0.002" in words


def test_separated_row_is_an_open_diamond_with_a_footnote() -> None:
    models = cox_models(3)
    figure = figures.forest_figure(models, outcome="EFS", labels=LABELS)
    assert any(text.startswith("† Separated") for text in texts(figure))
    assert "0.110†" in texts(figure)
    diamonds = [line for line in figure.axes[0].lines if line.get_marker() == "D"]
    assert [diamond.get_markerfacecolor() for diamond in diamonds] == ["white"]
    assert "separated, Firth's estimate" in figures.forest_text(models, outcome="EFS", labels=LABELS)
    plain = figures.forest_figure(models[models["estimator"] == "mle"], outcome="EFS", labels=LABELS)
    assert not any("†" in text for text in texts(plain))


def test_naive_row_of_a_later_covariate_carries_the_immortal_time_warning() -> None:
    models = cox_models(5)
    figure = figures.forest_figure(models, outcome="EFS", labels=LABELS)
    assert any("immortal-time bias" in text and text.startswith("†") for text in texts(figure))
    assert sum(text.endswith("‡") for text in texts(figure)) == 1
    assert figures.forest_text(models, outcome="EFS").count("immortal-time bias") == 1


def test_note_of_the_log_rank_test_stands_under_the_title() -> None:
    table = patients(39)
    noted = table.tests.assign(note="read Fisher's test")
    key = {"endpoint": "OS", "factor": "wbc"}
    figure = figures.kaplan_meier_figure(table.curves, table.summary, noted, **key)
    assert any(text.endswith("\nread Fisher's test") for text in texts(figure))
    assert figures.kaplan_meier_text(table.curves, table.summary, noted, **key).endswith("read Fisher's test")


def test_estimate_off_the_axis_becomes_an_arrow_and_keeps_its_figures() -> None:
    figure = figures.forest_figure(cox_models(3), outcome="EFS", labels=LABELS)
    arrows = [line for line in figure.axes[0].lines if line.get_marker() == ">"]
    assert [np.asarray(arrow.get_xdata()).tolist() for arrow in arrows] == [[100.0]]
    assert "240.0 (60.00–>9999)" in texts(figure)
    assert "not estimable" in texts(figure)


def test_forest_of_odds_ratios_says_odds() -> None:
    models = cox_models(4).rename(columns={"hazard_ratio": "odds_ratio", "endpoint": "outcome"})
    models["outcome"] = "SEVERE_CRS"
    figure = figures.forest_figure(models, outcome="SEVERE_CRS", labels=LABELS)
    assert {"Severe CRS: logistic regression", "Odds ratio (95% CI)", "higher odds →"} <= texts(figure)


def test_only_the_studys_own_convention_is_drawn() -> None:
    models = cox_models(4)
    other = models.assign(convention="r", hazard_ratio=99.0)
    both = pd.concat([models, other], ignore_index=True)
    assert "99.00" not in figures.forest_text(both, outcome="EFS")


def test_swimmer_says_how_many_of_how_many_it_shows() -> None:
    lanes = patients(300).lanes
    assert "300 of 1,000 patients" in figures.swimmer_text(lanes, 1000)
    assert figures.swimmer_text(lanes.head(0), 0).endswith("no patient is included.")
    axes = figures.swimmer_figure(patients(39).lanes, 39).axes[0]
    assert sum(line.get_marker() == "s" for line in axes.lines) == 1
    deaths = next(line for line in axes.lines if line.get_marker() == "s")
    assert len(np.asarray(deaths.get_xdata())) == 18


def test_response_bars_carry_their_interval() -> None:
    figure = DRAWINGS["response"](patients(39))
    assert "92.3%\n36 of 39" in texts(figure)
    assert "Complete remission 92.3% (36 of 39; 95% CI 79.1–98.4)" in figures.response_text(patients(39).response_rates)
    bars = [bar.get_height() for bar in figure.axes[0].patches]
    assert bars == pytest.approx([100 * n / 39 for n in (36, 30, 6, 17)])
    # Hatches keep the bars apart in greyscale.
    assert len({bar.get_hatch() for bar in figure.axes[0].patches}) == 4


def test_every_grade_of_cytokine_release_has_a_bar_even_if_nobody_had_it() -> None:
    words = figures.crs_text(patients(3).adverse_events)
    assert "grade I 2 (66.7%), grade II 0 (0.0%), grade III 0 (0.0%), grade IV 1 (33.3%), grade V 0 (0.0%)" in words


def test_flow_names_every_exclusion() -> None:
    words = figures.consort_text(long_flow())
    assert words.count("Excluded, not met:") == 6
    assert words.endswith("Included and analysed n = 979,000.")


EMPTY: dict[str, Callable[[], tuple[Figure, str]]] = {
    "curve": lambda: (
        figures.kaplan_meier_figure(patients(3).curves, patients(3).summary, endpoint="DOR"),
        figures.kaplan_meier_text(patients(3).curves, patients(3).summary, endpoint="DOR"),
    ),
    "response": lambda: (
        figures.response_figure(patients(3).response_rates.head(0)),
        figures.response_text(patients(3).response_rates.head(0)),
    ),
    "times": lambda: (
        figures.response_times_figure(patients(3).response_times.head(0), patients(3).response_days.head(0)),
        figures.response_times_text(patients(3).response_times.head(0)),
    ),
    "forest": lambda: (
        figures.forest_figure(cox_models(3).head(0), outcome="EFS"),
        figures.forest_text(cox_models(3).head(0), outcome="EFS"),
    ),
    "incidence": lambda: (
        figures.cumulative_incidence_figure(patients(3).incidence.head(0)),
        figures.cumulative_incidence_text(patients(3).incidence.head(0)),
    ),
    "crs": lambda: (
        figures.crs_figure(patients(3).adverse_events.head(0)),
        figures.crs_text(patients(3).adverse_events.head(0)),
    ),
    "events": lambda: (
        figures.adverse_events_figure(patients(3).adverse_events.head(0), phase="hsct"),
        figures.adverse_events_text(patients(3).adverse_events.head(0), phase="hsct"),
    ),
    "flow": lambda: (figures.consort_figure(long_flow().head(0)), figures.consort_text(long_flow().head(0))),
    "swimmer": lambda: (figures.swimmer_figure(patients(3).lanes.head(0), 0), ""),
}


@pytest.mark.parametrize("name", EMPTY)
def test_without_data_a_figure_says_so_instead_of_failing(name: str) -> None:
    figure, words = EMPTY[name]()
    assert any(text.startswith(("No ", "Nothing")) for text in texts(figure))
    assert overlapping_texts(figure) == []
    assert "nan" not in words.lower()


UNKNOWN = "the factor is not known for any patient with follow-up for OS"


def said(figure: Figure) -> str:
    return next(text for text in texts(figure) if text.startswith("No "))


@pytest.mark.parametrize(
    ("rows", "factor", "nobody", "reason"),
    [
        ([("OS", "", 0, None)], "", True, "no patient is included"),
        ([("OS", "sh2b3", 0, None)], "sh2b3", True, "no patient is included"),
        ([("OS", "", 0, None)], "", False, "no included patient has follow-up for OS"),
        ([("OS", "sh2b3", 0, None)], "sh2b3", False, "no included patient has follow-up for OS"),
        ([("OS", "sh2b3", 70, None)], "sh2b3", False, UNKNOWN),
        ([("EFS", "sh2b3", 70, None)], "sh2b3", False, "no included patient has follow-up for OS"),
    ],
)
def test_a_figure_without_curves_says_what_is_missing(
    rows: list[tuple[str, str, int, int | None]], factor: str, nobody: bool, reason: str
) -> None:
    columns = ["endpoint", "factor", "n_missing", "n"]
    summary = pd.DataFrame(rows, columns=columns).astype({"n_missing": "Int64", "n": "Int64"}).assign(level="")
    curves = patients(3).curves.head(0)
    key = {"endpoint": "OS", "factor": factor, "factor_label": "SH2B3 mutation"}
    drawn = figures.kaplan_meier_figure(curves, summary, **key, nobody=nobody)
    assert said(drawn) == f"No curve: {reason}."
    assert figures.kaplan_meier_text(curves, summary, **key, nobody=nobody).endswith(f": no curve, {reason}.")


@pytest.mark.parametrize(
    ("nobody", "reason"),
    [(True, "no patient is included"), (False, "no included patient was assessed for response")],
)
def test_a_figure_without_responses_says_what_is_missing(nobody: bool, reason: str) -> None:
    rates = patients(3).response_rates.head(0)
    assert said(figures.response_figure(rates, nobody=nobody)) == f"No bars: {reason}."
    assert figures.response_text(rates, nobody=nobody).endswith(f"No bars: {reason}.")


def test_files_are_the_same_bytes_every_time_and_need_no_font(tmp_path: Path) -> None:
    draw = DRAWINGS["km_by_factor"]
    first = figures.save_figure(draw(patients(39)), tmp_path / "a", "os", description="Overall survival")
    second = figures.save_figure(draw(patients(39)), tmp_path / "b", "os", description="Overall survival")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    svg = first[0].read_text(encoding="utf-8")
    assert "<text" not in svg
    assert "dc:date" not in svg
    assert "Overall survival" in svg
    assert [path.name for path in first] == ["os.svg", "os.png"]


def test_a_figure_with_signs_that_no_xml_and_no_font_knows_is_drawn_in_silence(tmp_path: Path) -> None:
    term = "rash\x0b on ＢＣ 皮疹"
    plot = Plot("odd", term, "safety", partial(message_figure, term, term), partial(str, term))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = draw_plot(plot, tmp_path, "source")
    svg = ElementTree.parse(tmp_path / drawn.svg)
    assert any(text == "rash\ufffd on ＢＣ 皮疹" for text in svg.getroot().itertext())


def test_png_has_200_dots_per_inch(tmp_path: Path) -> None:
    from PIL import Image

    figure = DRAWINGS["response"](patients(3))
    _, png = figures.save_figure(figure, tmp_path, "response")
    with Image.open(png) as image:
        assert image.size == tuple(round(200 * float(side)) for side in figure.get_size_inches())
        assert round(image.info["dpi"][0]) == 200


def test_drawing_leaves_the_callers_settings_alone() -> None:
    import matplotlib as mpl

    before = mpl.rcParams["font.size"], mpl.rcParams["axes.spines.top"]
    DRAWINGS["consort"](patients(3))
    assert (mpl.rcParams["font.size"], mpl.rcParams["axes.spines.top"]) == before


def test_importing_the_figures_starts_no_plotting_library() -> None:
    code = (
        "import sys, analysis_assets.figures, analysis_assets.subgroups, analysis_assets.adverse_event_rates;"
        "print(sorted({'matplotlib', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def month_cases() -> Iterator[tuple[float, list[float]]]:
    yield 34.3, [0, 6, 12, 18, 24, 30]
    yield 5.0, [0, 1, 2, 3, 4, 5]
    yield 0.9, [0, 0.25, 0.5, 0.75]
    yield 200.0, [0, 36, 72, 108, 144, 180]


@pytest.mark.parametrize(("last", "ticks"), list(month_cases()))
def test_months_are_ticked_in_steps_that_people_think_in(last: float, ticks: list[float]) -> None:
    assert month_ticks(last) == ticks


def test_p_values_and_months_as_printed() -> None:
    assert [p_text(p) for p in (0.0004, 0.001, 0.0031, 0.5, None, float("nan"))] == [
        "P < 0.001",
        "P = 0.001",
        "P = 0.003",
        "P = 0.500",
        "",
        "",
    ]
    assert [months_text(m) for m in (11.598, None, float("nan"))] == ["11.6", "not reached", "not reached"]
