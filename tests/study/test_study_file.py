"""The study file: the paper's choices by default, and a clear message with line and nearest name for every mistake."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from study import Study, StudyError, load_study
from study.models import Cohort

ROOT = Path(__file__).resolve().parents[2]


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "study.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_bundled_file_states_the_paper_and_the_defaults_agree_with_it() -> None:
    bundled = load_study(ROOT / "study.yml")
    defaults = Study()
    assert bundled.covariates == defaults.covariates
    assert bundled.models == defaults.models
    assert bundled.response == defaults.response
    assert bundled.rules == defaults.rules
    assert bundled.cohort.diagnosis_prefixes == ("C91.0",)


def test_left_out_cohort_criteria_are_not_applied(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, "cohort: {infused_from: null, diagnosis_prefixes: []}\n"))
    assert study.cohort.infused_from is None
    assert study.cohort.diagnosis_prefixes == ()
    assert study.cohort.relapsed_or_refractory is None


def test_left_out_model_lists_keep_the_defined_covariates(tmp_path: Path) -> None:
    study = load_study(
        write(tmp_path, "covariates: [{name: sex, label: Sex, column: sex, equals: M, levels: [female, male]}]\n")
    )
    assert study.models.cox.covariates == ("sex",)
    assert study.models.cox.endpoints == ("EFS", "OS")


def test_yes_and_no_are_words_not_booleans(tmp_path: Path) -> None:
    study = load_study(
        write(tmp_path, "covariates: [{name: a, label: A, column: refractory, levels: [no, yes]}]\nmodels: {}\n")
    )
    assert study.covariates[0].levels == ("no", "yes")


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("study: {name: A}\nconventons: r\n", "line 2", "`conventions`"),
        ("rules:\n  response: papr\n", "line 2", "`paper`"),
        (
            "covariates:\n- {name: age, label: Age, column: agee_years, at_least: 18, levels: [a, b]}\n",
            "line 2",
            "`age_years`",
        ),
        ("hsct:\n  bridging_window_days: -3\n", "line 2", "greater than or equal to 1"),
        ("models:\n  cox:\n    covariates:\n    - agee\n", "line 4", "`age`"),
        ("models:\n  cox:\n    endpoints: [EFSS]\n", "line 3", "`EFS`"),
        ("cohort: {infused_from: 2020-01-01, infused_to: 2019-01-01}\n", "line 1", "infused_from is after infused_to"),
        ("models: {cox: {entry: 0.2, removal: 0.1}}\n", "line 1", "removal must not be smaller than entry"),
        ("a: [\n", "line 2", "not valid YAML"),
        ("- a\n", "line 1", "expected keys"),
    ],
)
def test_a_mistake_is_refused_with_its_line_and_a_hint(tmp_path: Path, text: str, line: str, hint: str) -> None:
    with pytest.raises(StudyError) as caught:
        load_study(write(tmp_path, text))
    assert line in str(caught.value)
    assert hint in str(caught.value)


def covariate(rule: str) -> str:
    return f"covariates:\n- name: a\n  label: A\n  levels: [low, high]\n  {rule}\n"


@pytest.mark.parametrize("rule", [
    "column: refractory",
    "column: refractory\n  at_least: null\n  equals: null",
    "column: wbc\n  at_least: 30",
    "column: wbc\n  at_least: -0.5",
    "column: sex\n  equals: F",
    "column: lymphodepletion_regimen\n  equals: non-Flu+Cy",
    "column: cart_target\n  equals: CD7",
    "column: fusion_gene\n  equals: A new one",
])  # fmt: skip
def test_a_rule_that_fits_its_column_loads(tmp_path: Path, rule: str) -> None:
    assert load_study(write(tmp_path, covariate(rule))).covariates[0].column == rule.split()[1]


@pytest.mark.parametrize(("rule", "line", "hint"), [
    ("column: refractory\n  equals: yes", 6, "`refractory` holds true or false: leave `at_least` and `equals` out"),
    ("column: refractory\n  equals: true", 6, "`refractory` holds true or false: leave `at_least` and `equals` out"),
    ("column: refractory\n  at_least: 1", 6, "`refractory` holds true or false: leave `at_least` and `equals` out"),
    ("column: wbc", 2, "`wbc` holds numbers: write `at_least` with a number, and no `equals`"),
    ("column: crs_grade\n  equals: '3'", 2, "`crs_grade` holds numbers: write `at_least` with a number"),
    ("column: crs_grade\n  equals: 3", 2, "`crs_grade` holds numbers: write `at_least` with a number"),
    ("column: crs_grade\n  at_least: 3\n  equals: '3'", 7, "`crs_grade` holds numbers: write `at_least` with a number"),
    ("column: wbc\n  at_least: .nan", 6, "finite number (found nan)"),
    ("column: wbc\n  at_least: .inf", 6, "finite number (found inf)"),
    ("column: wbc\n  at_least: true", 6, "valid number (found True)"),
    ("column: sex", 2, "`sex` holds text: write `equals` with F or M, and no `at_least`"),
    ("column: sex\n  at_least: 3", 6, "`sex` holds text: write `equals` with F or M, and no `at_least`"),
    ("column: sex\n  equals: Male", 6, "unknown value 'Male'; valid: F, M"),
    ("column: lymphodepletion_regimen\n  equals: FluCy", 6, "unknown value 'FluCy'; did you mean `Flu+Cy`?"),
    ("column: fusion_gene", 2, "`fusion_gene` holds text: write `equals` with one of its values"),
    ("column: fusion_gene\n  equals: ''", 6, "at least 1 character"),
])  # fmt: skip
def test_a_rule_that_does_not_fit_its_column_is_refused_once_and_says_what_to_write(
    tmp_path: Path, rule: str, line: int, hint: str
) -> None:
    with pytest.raises(StudyError) as caught:
        load_study(write(tmp_path, covariate(rule)))
    (problem,) = caught.value.problems
    assert problem.startswith(f"line {line}: `covariates[1].")
    assert hint in problem


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(StudyError) as caught:
        load_study(write(tmp_path, "conventons: r\nrules: {response: papr}\n"))
    assert len(caught.value.problems) == 2


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no such file"):
        load_study(tmp_path / "absent.yml")


def test_covariate_defined_twice_is_refused_at_its_second_definition(tmp_path: Path) -> None:
    one = "- {name: %s, label: S, column: sex, equals: M, levels: [f, m]}\n"
    with pytest.raises(StudyError) as caught:
        load_study(write(tmp_path, "covariates:\n" + one % "s" + one % "t" + one % "s"))
    assert caught.value.problems == ("line 4: `covariates[3].name`: the covariate `s` is defined twice",)


@pytest.mark.parametrize("day", ["2018-02-28", "'2018-02-28'", "2018-02-28 00:00:00"])
def test_a_day_of_the_calendar_loads(tmp_path: Path, day: str) -> None:
    assert load_study(write(tmp_path, f"study: {{data_cutoff: {day}}}\n")).study.data_cutoff == dt.date(2018, 2, 28)


@pytest.mark.parametrize("day", [
    "2018-02-29", "'2018-02-29'", "2018-02-30 00:00:00", "2018-02-28 25:00:00", "2018-02-28 01:00:00", "2018-2",
    "'2018'", "20180228", "'0'", "0", "false",
])  # fmt: skip
def test_what_is_no_day_of_the_calendar_is_refused_with_its_line_and_value(tmp_path: Path, day: str) -> None:
    with pytest.raises(StudyError) as caught:
        load_study(write(tmp_path, f"study:\n  data_cutoff: {day}\ncohort:\n  infused_from: 2015-09-31\n"))
    cutoff, infused = caught.value.problems
    assert cutoff.startswith("line 2: `study.data_cutoff`: write a day of the calendar as YYYY-MM-DD (found ")
    assert infused == ("line 4: `cohort.infused_from`: write a day of the calendar as YYYY-MM-DD (found '2015-09-31')")


@pytest.mark.parametrize(("text", "expected"), [
    ("severe_crs_grade: !!int abc\n", "line 1: `severe_crs_grade`"),
    ("severe_crs_grade: " + "9" * 5000 + "\n", "line 1: `severe_crs_grade`"),
    ("hsct:\n  censor_at_hsct: \x01\n", "line 2: not valid YAML"),
])  # fmt: skip
def test_what_yaml_can_not_read_is_refused_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(StudyError, match=expected):
        load_study(write(tmp_path, text))


@pytest.mark.parametrize("text", [
    "response: {window_days: 28, marrow_blasts_below_percent: 5, mrd_negative_below_percent: 0.01}",
    "hsct: {censor_at_hsct: true, bridging_window_days: 0x3E}",
    "hsct: {censor_at_hsct: &same true}\nrules: {refractory_includes_extramedullary: *same}",
    "privacy: {small_cell_below: null}",
])  # fmt: skip
def test_numbers_and_switches_load_as_they_are_written(tmp_path: Path, text: str) -> None:
    load_study(write(tmp_path, text + "\n"))


@pytest.mark.parametrize(("section", "key", "value"), [
    ("response", "window_days", "true"),
    ("response", "window_days", "28.0"),
    ("response", "window_days", "'28'"),
    ("response", "marrow_blasts_below_percent", "true"),
    ("response", "marrow_blasts_below_percent", "'5'"),
    ("response", "marrow_blasts_below_percent", ".nan"),
    ("hsct", "censor_at_hsct", "1"),
    ("hsct", "censor_at_hsct", "'true'"),
    ("hsct", "bridging_window_days", "&same true"),
    ("rules", "refractory_includes_extramedullary", "0"),
    ("cohort", "relapsed_or_refractory", "1"),
    ("privacy", "small_cell_below", "'5'"),
])  # fmt: skip
def test_a_switch_is_no_number_and_text_is_neither(tmp_path: Path, section: str, key: str, value: str) -> None:
    with pytest.raises(StudyError, match=rf"line 2: `{section}\.{key}`"):
        load_study(write(tmp_path, f"{section}:\n  {key}: {value}\n"))


@pytest.mark.parametrize(("text", "place"), [
    ("severe_crs_grade: true\n", "line 1: `severe_crs_grade`"),
    ("landmark_months:\n- 6\n- true\n", r"line 3: `landmark_months\[2\]`"),
    ("models:\n  cox:\n    removal: '0.1'\n", r"line 3: `models.cox.removal`"),
])  # fmt: skip
def test_a_switch_or_text_for_a_number_is_refused_at_every_depth(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(StudyError, match=place):
        load_study(write(tmp_path, text))


@pytest.mark.parametrize(("text", "place", "entry"), [
    ("landmark_months:\n- 6\n- 12\n- 6\n", "line 4: `landmark_months[3]`", "6"),
    ("models:\n  subgroups:\n    endpoints:\n    - CR\n    - CR\n", "line 5: `models.subgroups.endpoints[2]`", "CR"),
    ("models:\n  subgroups:\n    factors: [age, age]\n", "line 3: `models.subgroups.factors[2]`", "age"),
    ("models:\n  survival:\n    endpoints: [OS, OS]\n", "line 3: `models.survival.endpoints[2]`", "OS"),
    ("models:\n  survival:\n    factors: [age, age]\n", "line 3: `models.survival.factors[2]`", "age"),
    ("models:\n  cox:\n    endpoints: [OS, OS]\n", "line 3: `models.cox.endpoints[2]`", "OS"),
    ("models:\n  cox:\n    covariates: [age, sex, age]\n", "line 3: `models.cox.covariates[3]`", "age"),
    ("models:\n  logistic:\n    endpoints: [CR, CR]\n", "line 3: `models.logistic.endpoints[2]`", "CR"),
    ("models:\n  logistic:\n    covariates: [age, age]\n", "line 3: `models.logistic.covariates[2]`", "age"),
])  # fmt: skip
def test_an_entry_that_stands_twice_in_a_list_is_refused_where_it_repeats(
    tmp_path: Path, text: str, place: str, entry: str
) -> None:
    with pytest.raises(StudyError) as caught:
        load_study(write(tmp_path, text))
    assert caught.value.problems == (f"{place}: `{entry}` stands in the list already; take one away",)


SECTIONS = ("study", "rules", "cohort", "response", "hsct", "privacy", "models")


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_of_comments_alone_is_left_out(tmp_path: Path, section: str) -> None:
    text = f"{section}:\n  # name: A\n"
    assert load_study(write(tmp_path, text)) == Study()


@pytest.mark.parametrize("part", ["subgroups", "survival", "cox", "logistic"])
def test_a_part_of_the_models_of_comments_alone_keeps_the_defined_covariates(tmp_path: Path, part: str) -> None:
    text = f"covariates: [{{name: a, label: A, column: refractory, levels: [no, yes]}}]\nmodels:\n  {part}:\n"
    left_out, empty = (load_study(write(tmp_path, each)) for each in (text.split("models")[0], text))
    assert empty == left_out


@pytest.mark.parametrize(("text", "place"), [
    ("severe_crs_grade:\n", "line 1: `severe_crs_grade`"),
    ("covariates:\n", "line 1: `covariates`: write a list, or [] for none (found nothing)"),
    ("landmark_months:\n", "line 1: `landmark_months`"),
    ("cohrt:\n", "line 1: `cohrt` is not a key of the study file; did you mean `cohort`?"),
    ("rules:\n  crs:\n", "line 2: `rules.crs`"),
])  # fmt: skip
def test_a_value_or_list_left_empty_is_refused(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(StudyError) as caught:
        load_study(write(tmp_path, text))
    (problem,) = caught.value.problems
    assert problem.startswith(place)


def test_a_name_that_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    text = "covariates:\n- {name: [a], label: A, column: refractory, levels: [no, yes]}\n"
    with pytest.raises(StudyError, match=r"line 2: `covariates\[1\]\.name`: Input should be a valid string"):
        load_study(write(tmp_path, text))


@pytest.mark.parametrize("empty", ["", "null", "''", "'  '"])
def test_an_empty_criterion_is_not_applied(tmp_path: Path, empty: str) -> None:
    text = "cohort:\n" + "".join(f"  {criterion}: {empty}\n" for criterion in Cohort.model_fields)
    assert load_study(write(tmp_path, text)).cohort == Cohort()


def test_an_unknown_criterion_is_refused_though_it_is_empty(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"line 2: `cohort.infused_form` .*`infused_from`"):
        load_study(write(tmp_path, "cohort:\n  infused_form:\n"))


@pytest.mark.parametrize("key", ["diagnosis_prefixes", "excluded_diagnosis_prefixes"])
@pytest.mark.parametrize("blank", ["''", "' '", "."])
def test_a_prefix_that_begins_every_code_is_refused(tmp_path: Path, key: str, blank: str) -> None:
    text = f"cohort:\n  {key}:\n  - C91.0\n  - {blank}\n"
    with pytest.raises(StudyError, match=rf"line 4: `cohort\.{key}\[2\]`: every code begins so; take it away"):
        load_study(write(tmp_path, text))


def test_blanks_around_a_criterion_do_not_count(tmp_path: Path) -> None:
    text = (
        "cohort: {diagnosis_prefixes: [' C91.0 '], excluded_diagnosis_prefixes: ['C81 '], immunophenotype: ' CD19+ '}\n"
    )
    cohort = load_study(write(tmp_path, text)).cohort
    assert (cohort.diagnosis_prefixes, cohort.excluded_diagnosis_prefixes) == (("C91.0",), ("C81",))
    assert cohort.immunophenotype == "CD19+"
