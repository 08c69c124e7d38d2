{#- Columns of a feed whose text may be unreadable (all but plain text). -#}
{% macro readable_columns(feed) -%}
    {%- set names = [] -%}
    {%- for name, column in feed_contract(feed)['columns'].items() if column.reader != 'text' -%}
        {%- do names.append(name) -%}
    {%- endfor -%}
    {{ return(names) }}
{%- endmacro %}

{% macro is_unreadable(feed, name) -%}
    ({{ adapter.quote(name) }} is not null and ({{ read_value(feed, name) }}) is null)
{%- endmacro %}

{#- One row per cell of a feed's current rows that could not be read. Rows with nothing wrong fall out before any cell
    is unpacked, so that a long feed is scanned once and no more. -#}
{% macro rejected_cells(feed) -%}
    {%- set names = readable_columns(feed) -%}
    select
        '{{ feed }}' as feed, cast(source_extract as date) as extract, source_file as file, source_row as "row",
        cell.name as "column", cell.text as "text", cell.reason, patient_key
    from (
        select
            patient_key, source_extract, source_file, source_row,
            unnest([
                {%- for name in names %}
                case when {{ is_unreadable(feed, name) }} then struct_pack(
                    name := '{{ name }}', text := {{ adapter.quote(name) }}, reason := '{{ rejection_reason(feed, name) | trim }}'
                ) end {{- "," if not loop.last }}
                {%- endfor %}
            ]) as cell
        from {{ lake_relation(feed) }} as lake
        where ({% for name in names %}{{ is_unreadable(feed, name) }}{{ "\n            or " if not loop.last }}{% endfor %})
            and {{ of_known_patient() }}
    )
    where cell is not null
{%- endmacro %}

{#- Rows of patients whom the patients feed does not know, whole (as JSON), of every file that this night reads; but no
    row that its source has since replaced or deleted, for nobody can mend that one any more. All versions of a key are
    of one patient, so only the few unknown patients' rows are compared with each other. -#}
{% macro orphan_rows(feed) -%}
    select
        '{{ feed }}' as feed, cast(source_extract as date) as extract, source_file as file, source_row as "row",
        'no such patient in the patients feed' as reason,
        cast(to_json(struct_pack(
            patient_key := patient_key
            {%- for name in feed_contract(feed)['columns'] %}, {{ adapter.quote(name) }} := {{ adapter.quote(name) }}{% endfor %}
        )) as varchar) as content,
        'warehouse' as rejected_by
    from (
        select * from {{ lake_rows(feed) }} as lake
        where patient_key in (select unknown.patient_key from {{ ref('stg_emr__unknown_patients') }} as unknown)
        qualify source_extract = max(source_extract) over (partition by {{ feed_contract(feed)['key'] | join(', ') }})
    )
    where coalesce(lower(deleted), 'false') not in ('true', 't', '1', 'yes', 'y')
{%- endmacro %}

{#- True at least for every date text that may be read as a day after the cut-off: as text, because reading the dates of a
    long feed costs far more. A time with a zone may read as the day after the one that it shows; of a month or a year
    alone the one that holds that day counts too. -#}
{% macro may_lie_after_cutoff(column) -%}
    {%- set text = adapter.quote(column) -%}
    {%- set day_before = "strftime(" ~ data_cutoff() ~ " - interval 1 day, '%Y-%m-%d')" -%}
    ({{ text }} > {{ day_before }} or starts_with({{ day_before }}, {{ text }}))
{%- endmacro %}

{#- Rows per file that lie after the data cut-off. -#}
{% macro ignored_counts(feed) -%}
    select
        '{{ feed }}' as feed, cast(source_extract as date) as extract, source_file as file,
        '{{ feed_contract(feed)['dated_by'] }}' as dated_by,
        count(*) as rows_ignored, min(day) as first_day, max(day) as last_day
    from (
        select source_extract, source_file, cast({{ read_value(feed, feed_contract(feed)['dated_by']) }} as date) as day
        from {{ lake_relation(feed) }} as lake
        where {{ may_lie_after_cutoff(feed_contract(feed)['dated_by']) }}
    )
    where day > {{ data_cutoff() }}
    group by all
{%- endmacro %}
