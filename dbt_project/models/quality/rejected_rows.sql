-- Rows that could not be used at all, whole and with the reason: what ingestion refused (no key, broken line, duplicate
-- key within a file) and rows of patients whom the patients feed does not know.
-- One row per rejected row of a source file.
{%- set rejected = lake_parquet(lake_plan()['rejected']) %}

{% if rejected -%}
select
    source_feed as feed,
    cast(source_extract as date) as extract,
    source_file as file,
    cast(source_row as bigint) as row,
    reason,
    content,
    'ingestion' as rejected_by
from {{ rejected }}
union all
{%- endif %}
{%- for feed in feed_names() if feed != 'patients' %}
{{ orphan_rows(feed) }}
{{ "union all" if not loop.last }}
{%- endfor %}
