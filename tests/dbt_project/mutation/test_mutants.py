"""Mutation of the clinical SQL: turn any comparison, move any threshold, and a named patient must come out wrong.

The whole project is compiled once per study. Each mutant replaces one model or one cell of a rule seed in memory, what
depends on it is rebuilt as far as rows change, and the named patients are asked again. A mutant that the paper's
patients let pass is tried on the patients of another study file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.dbt_project.mutation.mutants import Mutant, moved, mutants
from tests.dbt_project.mutation.project import CompiledProject
from tests.dbt_project.patients.studies import OTHER, OTHER_CASES, PAPER, PAPER_CASES, cohort_of

FOLDERS = ("intermediate/response", "intermediate/outcomes", "intermediate/adverse_events", "intermediate/events")
MARTS = (
    "marts.outcomes",
    "marts.adverse_events",
    "marts.response_assessments",
    "marts.crs_grading",
    "marts.outcome_date_sensitivity",
)

# Text becoming dates is the readers' work, held by the unit tests of staging; its own rule, the cut-off, has patients.
READERS = frozenset({"intermediate.int_late_visits"})

# Cells that decide something. Order numbers (rank, priority) only name an order and are not moved.
SEED_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "intermediate.rule_constants": ("value",),
    "intermediate.ctcae_lab_grades": ("bound", "grade"),
    "intermediate.lab_reference_limits": ("lln", "uln"),
    "intermediate.response_categories": ("neutrophils_bound", "platelets_bound", "counts_as_complete_remission"),
    "intermediate.icans_grades": ("grade", "ice_up_to"),
    "intermediate.icaht_grades": ("grade", "bound"),
    "intermediate.vasopressor_doses": ("high_dose_from", "counts_in_astct"),
}

# Mutants that can't change any answer, each with the proof.
EQUIVALENT: Mapping[str, str] = {
    "marts.adverse_events line 74: having count(*) [>] 1 -> >=": "the worst of a single row is that row",
    "marts.adverse_events line 74: having count(*) > [1] -> 0": "the worst of a single row is that row",
}


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> CompiledProject:
    return CompiledProject(tmp_path_factory.mktemp("paper"), cohort_of(PAPER, PAPER_CASES), PAPER_CASES)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> CompiledProject:
    return CompiledProject(tmp_path_factory.mktemp("other"), cohort_of(OTHER, OTHER_CASES), OTHER_CASES)


def mutated_models(project: CompiledProject) -> list[str]:
    """Return the models whose SQL is mutated: those of the clinical folders, and the marts that decide something."""
    rules = {name for name, model in project.models.items() if model.folder in FOLDERS or name in MARTS}
    return sorted(rules - READERS)


def all_mutants(project: CompiledProject) -> Iterator[Mutant]:
    """Yield the mutants of every model and every seed cell."""
    for seed, columns in SEED_COLUMNS.items():
        yield from project.seed_mutants(seed, columns)
    for name in mutated_models(project):
        yield from mutants(name, project.models[name].sql)


def survivors_in(project: CompiledProject, candidates: list[Mutant]) -> list[int]:
    """Return the positions of the mutants that no patient notices."""
    worker = project.copy()
    return [mutant.position for mutant in candidates if worker.survives(mutant.place, mutant.sql)]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_mutant_survives(paper: CompiledProject, other: CompiledProject) -> None:
    everything = [mutant.at(position) for position, mutant in enumerate(all_mutants(paper))]
    assert len(everything) > 1000
    with ThreadPoolExecutor(2) as pool:
        halves = pool.map(lambda half: survivors_in(paper, half), (everything[0::2], everything[1::2]))
        passed = sorted(position for half in halves for position in half)
    counterparts = [mutant.at(position) for position, mutant in enumerate(all_mutants(other))]
    assert len(counterparts) == len(everything)
    remaining = set(survivors_in(other, [counterparts[position] for position in passed]))
    survivors = {str(everything[position]) for position in remaining}
    assert "\n".join(sorted(survivors - EQUIVALENT.keys())) == ""
    assert "\n".join(sorted(EQUIVALENT.keys() - survivors)) == ""


@pytest.mark.slow
def test_the_untouched_project_shows_what_is_expected(paper: CompiledProject) -> None:
    assert [table for table in paper.expected if not paper.holds(table)] == []
    assert all(paper.survives(name, paper.models[name].sql) for name in mutated_models(paper))


def test_a_comparison_has_a_boundary_twin_and_an_opposite() -> None:
    found = [(mutant.was, mutant.became) for mutant in mutants("m", "select a <= b")]
    assert found == [("select a [<=] b", "<"), ("select a [<=] b", ">=")]


def test_text_comments_and_names_are_left_alone() -> None:
    sql = "select 'a = 1' as \"x < 2\", a1 := b || c, d::int -- e > 3\n from t"
    assert list(mutants("m", sql)) == []


@pytest.mark.parametrize("mark", ["evidence", "packed"])
def test_the_merging_of_evidence_and_the_packing_of_numbers_are_left_alone(mark: str) -> None:
    sql = f"select /* {mark} */ case when a[1] < b >> 2 then a end /* end of {mark} */ as made, c = d from t"
    assert [mutant.became for mutant in mutants("m", sql)] == ["<>"]


@pytest.mark.parametrize(("number", "expected"), [("90", ("91", "89")), ("0.5", ("0.55", "0.45")), ("1.0", ("2", "0"))])
def test_a_number_moves_both_ways(number: str, expected: tuple[str, str]) -> None:
    assert moved(number) == expected
