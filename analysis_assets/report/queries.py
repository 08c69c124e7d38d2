"""Every query of the report, in one place. Reads marts, analysis and quality; writes nothing.

Names and texts that come from the study file are quoted by `name` and `text`.
"""

# ruff: noqa: S608 - the only place where queries are put together

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

PATIENT_SOURCES: Final = {
    "patients": "marts.patients as p",
    "outcomes": "marts.outcomes as o inner join marts.patients as p using (patient_key)",
    "adverse_events": "marts.adverse_events as a inner join marts.patients as p using (patient_key)",
}
"""Marts that a number's patients come from; every one has the patient as `p`."""

BUILD: Final = "select * from quality.build"
EXTRACTS: Final = """
select feed, extract, file, mode, source_system, rows, accepted, rejected, count(*) over () as n_files
from quality.extracts order by extract desc, feed, file limit ?
"""
CHECKS_BY_SUITE: Final = """
select
    suite, severity,
    count(*) filter (where status = 'passed') as passed,
    count(*) filter (where status = 'failed') as failed,
    count(*) filter (where status = 'not_applicable') as not_applicable,
    count(*) filter (where status not in ('passed', 'failed', 'not_applicable')) as errors
from checks group by suite, severity order by suite, severity
"""
CHECKS_NOT_PASSED: Final = """
select suite, "check" as check_name, severity, status, failing_rows, message, action
from checks where status <> 'passed'
order by status = 'not_applicable', suite, status, severity, check_name
"""


def checks_view(columns: Sequence[str]) -> str:
    """The night's checks with what the report shows of them; a warehouse need not have more than the contract says."""
    told = {"status": "if(passed, 'passed', 'failed')", "message": "null::varchar", "action": "null::varchar"}
    missing = "".join(f", {value} as {name}" for name, value in told.items() if name not in columns)
    return f"create or replace temp view checks as select *{missing} from quality.check_results"


QUARANTINE_FILES_VIEW: Final = """
create or replace temp view quarantine_files as
with delivered as (
    select
        *,
        max(extract) filter (where mode = 'snapshot') over (partition by feed, source_system) as newest_snapshot
    from quality.extracts
),
in_use as (
    select feed, extract, file, sum(rows) as n_rows, sum(rejected) as n_rejected
    from delivered
    where newest_snapshot is null
        or extract > newest_snapshot and mode = 'delta'
        or extract = newest_snapshot and mode = 'snapshot'
    group by feed, extract, file
),
unreadable as (
    select feed, extract, file, count(*) as n_values from quality.rejected_values group by feed, extract, file
)
select
    feed, extract, file, n_rows, n_rejected, coalesce(n_values, 0) as n_values,
    row_number() over (order by n_rejected desc, n_values desc nulls last, feed, extract desc, file) as place
from in_use
left join unreadable using (feed, extract, file)
where n_rejected > 0 or n_values > 0
"""
"""Files that this night reads and that hold something to mend; of older snapshots nothing can be mended any more."""

QUARANTINE_FILES: Final = "select *, count(*) over () as n_files from quarantine_files order by place limit ?"
QUARANTINE_REASONS: Final = """
with listed as (select * from quarantine_files where place <= ?),
faults as (
    select feed, extract, file, 'rows' as kind, '' as column_name, reason, "row", content as example
    from quality.rejected_rows
    union all
    select feed, extract, file, 'values', "column", reason, "row", text
    from quality.rejected_values
)
select
    place, kind, column_name, reason, count(*) as n,
    list_slice(list_sort(min("row", 5)), 1, 5) as first_rows, arg_min(example, "row") as example
from faults
inner join listed using (feed, extract, file)
group by place, kind, column_name, reason
order by place, kind, n desc, column_name, reason
"""
REJECTED_BY_NIGHT: Final = """
select extract, feed, sum(rows) as n_rows, sum(rejected) as n_rejected
from quality.extracts
group by extract, feed
order by extract, feed
"""
IGNORED_ROWS: Final = """
select feed, dated_by, sum(rows_ignored) as n, min(first_day) as first_day, max(last_day) as last_day
from quality.ignored_rows group by feed, dated_by order by feed, dated_by
"""
OUTCOME_TRACE: Final = """
select
    patient_key,
    concat_ws(
        ' · ',
        if(kind = 'binary', if(achieved, 'achieved', 'not achieved'), if(event, 'event', 'censored')),
        event_kind, event_date, if(time_days is null, null, 'day ' || time_days), reason
    ) as said,
    evidence
from marts.outcomes
where endpoint = ? and patient_key in (select unnest(?))
order by patient_key
"""
ADVERSE_EVENT_TRACE: Final = """
select
    patient_key,
    concat_ws(
        ' · ', if(worst_grade is null, 'no grade', 'worst grade ' || worst_grade), grading_scale,
        if(first_study_day is null, null, 'from day ' || first_study_day)
    ) as said,
    evidence
from marts.adverse_events
where phase = ? and term = ? and patient_key in (select unnest(?))
order by patient_key
"""


def table_exists(schema: str, table: str) -> str:
    """Query that returns a row when the table or view is there."""
    return f"select 1 from information_schema.tables where table_schema = '{schema}' and table_name = '{table}'"


def columns_of(schema: str, table: str) -> str:
    """Query for names and types of a table's columns."""
    return (
        "select column_name, data_type from information_schema.columns "
        f"where table_schema = '{schema}' and table_name = '{table}' order by ordinal_position"
    )


def analysis_table(name: str) -> str:
    """Query for a whole analysis table."""
    return f"select * from analysis.{name}"


def analysis_row(name: str, **keys: object) -> str:
    """Query for the row of an analysis table that holds a number."""
    conditions = " and ".join(_equals(column, value) for column, value in keys.items())
    return f"select * from analysis.{name} where {conditions}"


def counted(query: str) -> str:
    """Query for the number of rows of a `select *` query."""
    return query.replace("select *", "select count(*)", 1)


def checks_in_state(suite: str, severity: str, state: str) -> str:
    """Query for the number of checks of a suite and severity in one state."""
    status = "status not in ('passed', 'failed', 'not_applicable')" if state == "errors" else f"status = {text(state)}"
    return (
        "select count(*) from quality.check_results "
        f"where suite = {text(suite)} and severity = {text(severity)} and {status}"
    )


def _equals(column: str, value: object) -> str:
    if value is None or value != value:
        return f"{column} is null"
    if isinstance(value, str):
        return f"{column} = {text(value)}"
    return f"{column} = {value}"


def text(value: str) -> str:
    """A text literal."""
    return "'" + value.replace("'", "''") + "'"


def name(column: str) -> str:
    """A quoted column name."""
    return '"' + column.replace('"', '""') + '"'


_SHOWN_COLUMNS: Final = {
    "patients": "patient_key",
    "outcomes": "patient_key, o.achieved, o.time_days, o.event, o.event_kind, o.event_date",
    "adverse_events": "patient_key, a.worst_grade, a.first_study_day",
}


def patients_of(source: str, condition: str) -> str:
    """Query for the patients that fulfil a condition, with what the mart says of them."""
    return f"select {_SHOWN_COLUMNS[source]} from {PATIENT_SOURCES[source]} where {condition} order by patient_key"


PATIENT_AT: Final = "select patient_key from marts.patients order by patient_key limit 1 offset ?"


def patient_flags(source: str, within: str, conditions: Sequence[str], most: int, *, up_to_key: bool = False) -> str:
    """Query for the first `most` patients by key, with one column per condition that says whether it holds.

    With `up_to_key` its parameter is the last key that is looked at.
    """
    flags = ", ".join(f"coalesce(({condition or 'true'}), false)" for condition in conditions)
    bound = " and patient_key <= ?" if up_to_key else ""
    return (
        f"select patient_key, {flags} from {PATIENT_SOURCES[source]} where ({within or 'true'}){bound} "
        f"order by patient_key limit {most}"
    )


def patient_counts(source: str, within: str, conditions: Sequence[str]) -> str:
    """Query for the number of patients that fulfil each condition, one column each."""
    counted = ", ".join(f"count(*) filter (where {condition or 'true'})" for condition in conditions)
    return f"select {counted} from {PATIENT_SOURCES[source]} where {within or 'true'}"


# --- last night against this one -----------------------------------------------------------------------------------

ATTACH_PREVIOUS: Final = "attach '{path}' as previous (read_only)"
DETACH_PREVIOUS: Final = "detach previous"
PREVIOUS_TABLES: Final = """
select schema_name || '.' || table_name from duckdb_tables() where database_name = 'previous'
"""
PREVIOUS_BUILD: Final = "select * from previous.quality.build"
COHORT_SIZES: Final = """
select
    (select count(*) filter (where included) from previous.marts.patients) as n_before,
    (select count(*) filter (where included) from marts.patients) as n_now
"""
MOVED_PATIENTS: Final = """
with moved as (
    select
        coalesce(latest.patient_key, earlier.patient_key) as patient_key,
        if(earlier.included, 'in the analysis', coalesce(earlier.exclusion_reason, 'not known')) as said_before,
        if(latest.included, 'in the analysis', coalesce(latest.exclusion_reason, 'not known')) as said_now
    from marts.patients as latest
    full join previous.marts.patients as earlier using (patient_key)
    where coalesce(latest.included, false) <> coalesce(earlier.included, false)
)
select patient_key, said_before, said_now, count(*) over () as n_moved
from moved
order by patient_key
limit ?
"""
CHANGED_HEADLINES: Final = """
select now.endpoint, before.n as n_before, before.n_total as total_before, now.n as n_now, now.n_total as total_now
from analysis.response_rates as now
left join previous.analysis.response_rates as before
    on before.endpoint = now.endpoint and before.ci_method = now.ci_method
where now.ci_method = 'clopper_pearson'
order by now.endpoint
"""
CHANGED_MEDIANS: Final = """
select
    now.endpoint, before.median_months as before, now.median_months as now,
    before.n_events as events_before, now.n_events as events_now
from analysis.km_summary as now
left join previous.analysis.km_summary as before
    on before.endpoint = now.endpoint and before.factor = now.factor and before.level = now.level
    and before.ci_method = now.ci_method
where now.factor = '' and now.is_primary
order by now.endpoint
"""
_SAID: Final = """
    concat_ws(
        ' · ',
        if({row}.kind = 'binary', if({row}.achieved, 'achieved', 'not achieved'), if({row}.event, 'event', 'censored')),
        {row}.event_kind, {row}.event_date, if({row}.time_days is null, null, 'day ' || {row}.time_days)
    )
"""
MOVED_OUTCOMES: Final = f"""
with moved as (
    select
        coalesce(latest.endpoint, earlier.endpoint) as endpoint,
        coalesce(latest.patient_key, earlier.patient_key) as patient_key
    from marts.outcomes as latest
    full join previous.marts.outcomes as earlier
        on earlier.patient_key = latest.patient_key and earlier.endpoint = latest.endpoint
    where
        latest.patient_key is null
        or earlier.patient_key is null
        or latest.achieved is distinct from earlier.achieved
        or latest.event is distinct from earlier.event
        or latest.event_kind is distinct from earlier.event_kind
        or latest.event_date is distinct from earlier.event_date
        or latest.time_days is distinct from earlier.time_days
),
listed as (
    select *, count(*) over (partition by endpoint) as n_moved
    from moved
    qualify row_number() over (partition by endpoint order by patient_key) <= ?
)
select
    listed.endpoint, listed.patient_key,
    if(earlier.patient_key is null, null, {_SAID.format(row="earlier")}) as said_before,
    if(latest.patient_key is null, null, {_SAID.format(row="latest")}) as said_now,
    listed.n_moved, coalesce(latest.evidence, earlier.evidence) as evidence
from listed
left join marts.outcomes as latest
    on latest.patient_key = listed.patient_key and latest.endpoint = listed.endpoint
left join previous.marts.outcomes as earlier
    on earlier.patient_key = listed.patient_key and earlier.endpoint = listed.endpoint
order by listed.endpoint, listed.patient_key
"""
