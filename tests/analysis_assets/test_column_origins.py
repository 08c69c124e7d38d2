"""What the analysis columns say they are made of, held against what happens when a column of the marts changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from analysis_assets.catalogue import TABLES, build_tables
from analysis_assets.column_origins import DECLARED, column_origins, comparison_origins
from study import Study
from tests.analysis_assets.marts_fixture import reference_marts
from tests.analysis_assets.reference_warehouse import reference_study

# Figures that hang on few patients: the least and greatest value, what stands on separated or refused models only.
ON_FEW = {
    "min", "max", "min_months", "max_months", "restricted_to_months", "spss_ci_low", "spss_ci_high",
    "events_per_variable",
}  # fmt: skip
# A sample can't be had at all where these say nothing of anybody; to stir them doesn't show that.
DECIDE_ALL = ("outcomes.kind", "outcomes.event_kind", "outcomes.achieved")

Change = Callable[[pd.DataFrame, str], pd.Series]

# Endpoints whose names change places for half of the patients.
SWAPPED = {
    "OS": "EFS", "CR": "SEVERE_CRS", "RELAPSE": "NON_RELAPSE_MORTALITY", "TIME_TO_CR": "TIME_TO_MRD_NEGATIVE",
    "HSCT_BRIDGE": "MRD_NEGATIVE_CR", "FOLLOW_UP": "DOR",
}  # fmt: skip
SWAPPED |= {other: one for one, other in SWAPPED.items()}

# Each cell is known in the tables that have one of these.
NEVER_EMPTY = {"criterion", "shortest_days", "term"}

OTHER_TABLES = (
    "update marts.patients set hsct_date = infusion_date + 50 where bridged_to_hsct",
    # somebody was never assessed, some values were never recorded
    """
    update marts.patients set
        response_evaluable = place % 8 <> 0, cells_per_kg = 1e6 + 1e5 * (place % 17),
        age_years = if(place % 9 = 0, null, age_years), sex = if(place % 10 = 3, null, sex),
        mrd_negative = if(place % 11 = 2, null, mrd_negative),
        bridged_to_hsct = if(place % 12 = 5, null, bridged_to_hsct),
        marrow_blast_percent = if(place % 13 = 4, null, marrow_blast_percent),
        lymphodepletion_regimen = if(place % 7 = 0, null, lymphodepletion_regimen),
        cart_target = if(place % 7 = 1, null, cart_target), icu_admission = if(place % 7 = 2, null, icu_admission)
    from (select patient_key as key, row_number() over (order by patient_key) as place from marts.patients) as places
    where patient_key = key
    """,
    "update marts.outcomes set event_kind = 'not_evaluable' where endpoint = 'CR' and ascii(patient_key[-1]) % 5 = 1",
    """
    create table marts.cohort_flow as select * from (
        values (0, 'patients known', 0, 45), (1, 'dated infusion', 4, 41), (2, 'follow-up', 2, 39)
    ) as flow (step, criterion, n_excluded, n_remaining)
    """,
    """
    create table marts.crs_grading as
    select patient_key, crs_grade as recorded_grade, least(crs_grade + ascii(patient_key[-1]) % 2, 5) as lee2014_grade,
        greatest(crs_grade - ascii(patient_key[-1]) % 3, 0) as astct2019_grade
    from marts.patients
    """,
    """
    create table marts.outcome_date_sensitivity as
    select patient_key, endpoint, time_days, greatest(time_days - 4 - ascii(patient_key[-1]) % 7, 0) as shortest_days,
        time_days + 5 + ascii(patient_key[-1]) % 5 as longest_days
    from marts.outcomes
    where endpoint in ('OS', 'EFS') and ascii(patient_key[-1]) % 3 = 0
    """,
)


def small_study() -> Study:
    """The study file with a few covariates of every kind, so that each table is made quickly."""
    study = reference_study()
    models = study.models
    names = ("age", "sex", "marrow_blasts", "mrd_negative_cr", "bridged_to_hsct")
    covariates = tuple(one for one in study.covariates if one.name in names)
    likely = {"entry": 0.5, "removal": 0.6}
    return study.model_copy(
        update={
            "covariates": covariates,
            "models": models.model_copy(
                update={
                    "subgroups": models.subgroups.model_copy(update={"factors": names[1:3]}),
                    "survival": models.survival.model_copy(update={"factors": (names[0], names[3])}),
                    "cox": models.cox.model_copy(update={"covariates": (names[1], names[4]), **likely}),
                    "logistic": models.logistic.model_copy(update={"covariates": names[:2], **likely}),
                }
            ),
        }
    )


def marts() -> duckdb.DuckDBPyConnection:
    connection = reference_marts().connection
    connection.execute("alter table marts.patients add column hsct_date date")
    connection.execute("alter table marts.patients add column response_evaluable boolean")
    for statement in OTHER_TABLES:
        connection.execute(statement)
    return connection


def columns_of_the_marts() -> list[str]:
    rows = marts().execute(
        """
        select table_name || '.' || column_name from information_schema.columns
        where table_schema = 'marts' and column_name <> 'patient_key' order by all
        """
    )
    return [str(row[0]) for row in rows.fetchall()]


def moved(value: Any) -> Any:
    """Another value of the same kind; nothing stays nothing."""
    if pd.isna(value):
        return value
    if isinstance(value, bool | np.bool_):
        return not value
    if isinstance(value, str):
        return f"{value}*"
    return value + (pd.Timedelta(days=9) if isinstance(value, pd.Timestamp) else 1)


def stirred(frame: pd.DataFrame, column: str) -> pd.Series:
    """A column with its values passed on to other rows of the endpoint and moved on, every third taken away."""
    values, row = frame[column].astype(object), np.random.default_rng(5).permutation(len(frame))
    if column == "endpoint":
        patient = frame["patient_key"].map(lambda key: sum(map(ord, key)) % 3)
        return values.where(patient != 1, values.map(lambda name: SWAPPED.get(name, name))).where(patient != 2, "OTHER")
    if column == "included":
        return values.where(row % 2 == 1, False)
    groups = frame["endpoint"] if "endpoint" in frame else pd.Series(0, index=frame.index)
    passed_on = values.groupby(groups).transform(lambda group: pd.Series(np.roll(group.to_numpy(), 5), group.index))
    every = pd.api.types.is_numeric_dtype(frame[column]) and not pd.api.types.is_bool_dtype(frame[column])
    kept = (row % 3 != 1) | bool(NEVER_EMPTY & set(frame.columns))
    return passed_on.where((row % 5 != 2) & (not every), passed_on.map(moved)).where(kept, None)


def emptied(frame: pd.DataFrame, column: str) -> pd.Series:
    """A column of the outcomes that says the same, and nothing of use, of everybody."""
    useless = {"event_kind": "not_evaluable", "endpoint": "OTHER"}.get(column)
    return pd.Series(useless, index=frame.index, dtype=object)


def with_changed(columns: Iterable[str], change: Change) -> duckdb.DuckDBPyConnection:
    """The marts with some `table.column` changed."""
    connection = marts()
    for name in columns:
        table, _, column = name.partition(".")
        frame = connection.sql(f"from marts.{table} order by all").df()
        connection.register("changed", frame.assign(**{column: change(frame, column)}))
        kinds = connection.execute(f"describe marts.{table}").fetchall()
        selected = ", ".join(f'cast("{kind[0]}" as {kind[1]}) as "{kind[0]}"' for kind in kinds)
        connection.execute(f"create or replace table marts.{table} as select {selected} from changed")
    return connection


Seen = dict[tuple[str, str], Any]


def seen_in(connection: duckdb.DuckDBPyConnection, study: Study) -> Seen:
    """What a reader sees in each column: the values that a text takes, the numbers beside their endpoint."""
    seen: Seen = {}
    for table, frame in build_tables(connection, study):
        beside = next((frame[name] for name in ("endpoint", "outcome") if name in frame), pd.Series("", frame.index))
        for column in frame.columns:
            known = frame[column].notna()
            if is_label(frame, column):
                seen[table.name, column] = set(frame.loc[known, column])
            else:
                numbers = frame.loc[known, column].astype(float).round(9)
                seen[table.name, column] = sorted(zip(beside[known], numbers, strict=True))
    return seen


def is_label(frame: pd.DataFrame, column: str) -> bool:
    return not pd.api.types.is_numeric_dtype(frame[column]) or column in ("month", "step", "grade", "is_primary", "df")


def declared(study: Study) -> dict[tuple[str, str], set[str]]:
    """What each column says it is made of, less the key of a row that is counted: another key is no other row."""
    return {
        (table.name, column): {
            f"{mart.removeprefix('marts.')}.{name}" for mart, name in origins if name != "patient_key"
        }
        for table in TABLES
        for column, origins in column_origins(table.name, study).items()
    }


def apart(claims: Iterable[set[str]], columns: Sequence[str]) -> list[list[str]]:
    """Columns in groups, such that nothing is made of two of a group: to change a group at once tells them apart."""
    together = {one: {other for claim in claims if one in claim for other in claim} for one in columns}
    groups: list[list[str]] = []
    for column in columns:
        fitting = (group for group in groups if together[column].isdisjoint(group))
        group = next(fitting, None)
        if group is None:
            groups.append([column])
        else:
            group.append(column)
    return groups


def test_every_column_says_what_it_is_made_of() -> None:
    study = small_study()
    frames = {table.name: frame for table, frame in build_tables(marts(), study)}
    assert set(DECLARED) == set(frames)
    for name, frame in frames.items():
        assert set(column_origins(name, study)) == set(frame.columns), name
        listed = [column for columns in DECLARED[name] for column in columns.split()]
        assert len(listed) == len(set(listed)), name


def test_a_table_waits_for_the_marts_that_its_columns_are_made_of() -> None:
    study = reference_study()
    for table in TABLES:
        made_of = {mart for origins in column_origins(table.name, study).values() for mart, _ in origins}
        assert made_of == {f"marts.{mart}" for mart in table.marts}, table.name


def test_the_study_file_chooses_the_covariates() -> None:
    study = reference_study()
    fewer = study.models.cox.model_copy(update={"covariates": ("sex",)})
    study = study.model_copy(update={"models": study.models.model_copy(update={"cox": fewer})})
    assert [column for table, column in column_origins("cox_models", study)["hazard_ratio"]] == [
        "included", "endpoint", "time_days", "event", "sex",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_changed_column_of_the_marts_changes_just_the_columns_made_of_it() -> None:
    """Every column of the marts is changed; columns that no figure is made of together are changed at once."""
    study = small_study()
    claims = declared(study)
    before = seen_in(marts(), study)
    labels = {
        (table.name, column)
        for table, frame in build_tables(marts(), study)
        for column in frame.columns
        if is_label(frame, column)
    }
    seen: dict[tuple[str, str], set[str]] = {place: set() for place in claims}
    undeclared: list[tuple[tuple[str, str], list[str]]] = []

    def change(columns: list[str], how: Change, places: set[tuple[str, str]]) -> None:
        after = seen_in(with_changed(columns, how), study)
        for place in places:
            if after[place] != before[place]:
                seen[place] |= claims[place] & set(columns)
                if claims[place].isdisjoint(columns):
                    undeclared.append((place, columns))

    for group in apart(list(claims.values()), columns_of_the_marts()):
        change(group, stirred, set(claims))
    for column in DECIDE_ALL:
        change([column], emptied, set(claims) - labels)
    assert undeclared == []
    figures = {place for place in claims if place not in labels and place[1] not in ON_FEW}
    unseen = {place: claims[place] - seen[place] for place in figures if claims[place] - seen[place]}
    assert unseen == {}
    assert len(figures) > 100


def test_the_comparison_is_made_of_the_columns_that_answered() -> None:
    rows = [
        ("response_rates", "n_total-n", 3.0), ("response_rates", "pct", 92.3), ("response_rates", "pct", 76.9),
        (None, None, None),
    ]  # fmt: skip
    comparison = pd.DataFrame(rows, columns=["analysis_table", "analysis_column", "computed"])
    assert comparison_origins(comparison) == {
        "analysis_table": (),
        "analysis_column": (),
        "computed": (
            ("analysis.response_rates", "n"),
            ("analysis.response_rates", "n_total"),
            ("analysis.response_rates", "pct"),
        ),
    }
