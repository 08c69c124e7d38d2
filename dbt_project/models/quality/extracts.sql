-- Every extract file that the lake has taken in: how many rows it held, how many were accepted and how many rejected.
-- A row that ingestion accepted but whose patient nobody knows is rejected here, so the two still add up to the rows.
-- One row per feed, extract, file and content (SHA-256); a file that fills a feed by several tables of its profile is one.
-- Orphans are looked for in the files that this night reads; older files keep what ingestion counted.
{%- set plan = lake_plan() %}
{%- set ledger = lake_parquet(plan['ledger']) %}

with loads as (
    {% if ledger -%}
    select
        feed, cast(extract as date) as extract, file, mode, source_system, rows, accepted, rejected,
        sha256, cast(loaded_at as timestamp) as loaded_at, profile, profile_sha256, key_id, lake_file
    from {{ ledger }}
    {%- else -%}
    select
        '' as feed, current_date as extract, '' as file, '' as mode, '' as source_system,
        0::bigint as rows, 0::bigint as accepted, 0::bigint as rejected,
        '' as sha256, cast(current_date as timestamp) as loaded_at,
        '' as profile, '' as profile_sha256, '' as key_id, '' as lake_file
    where false
    {%- endif %}
),

ledger as (
    select
        feed, extract, file, sha256, min(mode) as mode, min(source_system) as source_system,
        sum(rows) as rows, sum(accepted) as accepted, sum(rejected) as rejected, max(loaded_at) as loaded_at,
        min(profile) as profile, min(profile_sha256) as profile_sha256, min(key_id) as key_id, min(lake_file) as lake_file
    from loads
    group by feed, extract, file, sha256
),

orphans as (
    select feed, extract, file, count(*) as n
    from {{ ref('rejected_rows') }}
    where rejected_by = 'warehouse'
    group by feed, extract, file
)

select
    ledger.feed,
    ledger.extract,
    ledger.file,
    ledger.mode,
    ledger.source_system,
    cast(ledger.rows as bigint) as rows,
    cast(ledger.accepted - coalesce(orphans.n, 0) as bigint) as accepted,
    cast(ledger.rejected + coalesce(orphans.n, 0) as bigint) as rejected,
    ledger.sha256,
    ledger.loaded_at,
    ledger.profile,
    ledger.profile_sha256,
    ledger.key_id,
    ledger.lake_file
from ledger
left join orphans
    on ledger.feed = orphans.feed
    and ledger.extract = orphans.extract
    and ledger.file = orphans.file
    and ledger.lake_file in (
        {%- for feed in plan['feeds'].values() %}{% for file in feed['files'] %}{{ sql_text(file) }}, {% endfor %}{% endfor %}''
    )
