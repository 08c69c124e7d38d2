"""A whole small warehouse in memory: marts of the reference cohort with made-up source rows, analyses and quality."""

from __future__ import annotations

from pathlib import Path

import duckdb

from analysis_assets.assets import TABLES
from analysis_assets.inputs import StudyInputs
from analysis_assets.published_comparison import build_published_tables
from study import Study, load_study
from tests.analysis_assets.marts_fixture import Marts, reference_marts
from warehouse import write_table

ROOT = Path(__file__).parents[2]

_EVIDENCE = """
[{{'feed': '{feed}', 'extract': date '2018-07-30', 'file': '{feed}.csv', 'row': row_number() over (order by {order})}}]
"""
_QUALITY = """
create schema if not exists quality;
create table quality.build as select
    'run-1' as run_id, timestamp '2018-07-30 22:00:00' as started, timestamp '2018-07-30 22:01:00' as finished,
    '0.1.0' as code_version, 'CAR-T' as study_name, date '2018-07-30' as data_cutoff, ['2018-07-30'] as extracts,
    true as synthetic;
create table quality.extracts as select *, 'synthetic' as source_system, rows - rejected as accepted from (values
    ('patients', date '2018-07-30', 'patients.csv', 'snapshot', 39, 0),
    ('lab_results', date '2018-07-29', 'lab_results.csv', 'snapshot', 4000, 90),
    ('lab_results', date '2018-07-30', 'lab_results.csv', 'snapshot', 4100, 1)
) as t(feed, extract, file, mode, rows, rejected);
create table quality.check_results as select * from (values
    ('dbt', 'unique_patients', 'error', true, 0, 'passed'),
    ('marts', 'ages_plausible', 'warn', false, 2, 'failed'),
    ('marts', 'events_row_drop', 'warn', false, null, 'not_applicable')
) as t(suite, "check", severity, passed, failing_rows, status);
create table quality.rejected_rows as select
    'lab_results' as feed, date '2018-07-30' as extract, 'lab_results.csv' as file, 12 as "row",
    'no key: <patient_id> is empty' as reason,
    '{"patient_key": null, "collected_at": "2018-01-02", "loinc": "<718-7>", "encounter_id": "c0ffee"}' as content
union all select
    'lab_results', date '2018-07-29', 'lab_results.csv', i, 'no key: loinc is empty', '{"loinc": null}'
from range(90) t(i);
create table quality.rejected_values as select
    'lab_results' as feed, date '2018-07-30' as extract, 'lab_results.csv' as file, 13 as "row", 'value' as "column",
    'x' as text, 'not a number' as reason;
create table quality.ignored_rows as select
    'follow_ups' as feed, date '2018-07-30' as extract, 'follow_ups.csv' as file, 'visited_on' as dated_by,
    3 as rows_ignored, date '2018-08-01' as first_day, date '2018-08-03' as last_day;
"""


def reference_study() -> Study:
    """The study file of the project."""
    return load_study(ROOT / "study.yml")


def reference_warehouse() -> duckdb.DuckDBPyConnection:
    """Connection to a warehouse in memory that holds everything the report reads."""
    study = reference_study()
    connection = with_analyses(reference_marts(), study)
    connection.execute(_QUALITY).fetchall()
    for name, frame in build_published_tables(connection, study).items():
        write_table(connection, "analysis", name, frame)
    return connection


def with_analyses(marts: Marts, study: Study, *names: str) -> duckdb.DuckDBPyConnection:
    """Connection to the marts, with made-up source rows and the analysis tables called ``names``; none: all of them."""
    connection = marts.connection
    for table, feed, order in (("outcomes", "follow_ups", "endpoint, patient_key"),
                               ("adverse_events", "adverse_events", "term, phase, patient_key")):  # fmt: skip
        evidence = _EVIDENCE.format(feed=feed, order=order)
        connection.execute(
            f"create or replace table marts.{table} as select *, {evidence} as evidence from marts.{table}"
        )
    connection.execute("alter table marts.outcomes add column reason varchar").fetchall()
    inputs = StudyInputs(connection, study)
    for built in TABLES:
        if not names or built.name in names:
            write_table(connection, "analysis", built.name, built.load()(inputs, study))
    return connection
