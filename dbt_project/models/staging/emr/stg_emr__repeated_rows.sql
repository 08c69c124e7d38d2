-- Rows that the oldest extract of a feed tells once more under the same key: all of a key but the last. Later extracts' keys
-- are compared by `lake_relation` itself.
-- One row per feed, extract, file and row.
-- A table, not a part of each staging view: the long feed has a hundred million rows and many readers, but few rows twice.
{{ config(materialized='table') }}

{% set repeating = feeds_that_repeat() -%}
{%- for feed in repeating %}
{%- set keys = feed_contract(feed)['key'] | join(', ') %}
{%- set oldest = oldest_rows(feed) %}
{{ "union all" if not loop.first }}
select
    '{{ feed }}' as feed,
    source_extract,
    source_file,
    source_row
from {{ oldest }}
-- Looked for by the hash of the key, then compared by the key itself: 8 bytes a row in place of a hundred.
where hash({{ keys }}) in (
    select hash({{ keys }}) as key_hash from {{ oldest }} group by key_hash having count(*) > 1
)
qualify row_number() over (partition by {{ keys }} order by source_file desc, source_row desc) > 1
{%- else %}
select
    cast(null as varchar) as feed,
    cast(null as varchar) as source_extract,
    cast(null as varchar) as source_file,
    cast(null as bigint) as source_row
where false
{%- endfor %}
