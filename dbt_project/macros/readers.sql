{#- Readers: text of the lake -> typed value. A value that can't be read becomes NULL here and a row of
    quality.rejected_values; the two agree because both come from these macros.

    Partial dates (only where the source wrote no more): year and month -> the 15th, year alone -> 1 July, but never
    after the data cut-off; `<column>_precision` says day, month or year. A time zone is dropped: the clock at the bedside counts. -#}

{#- The part of a text that reads as a full day (and time): four digits, a dash, then whatever DuckDB reads. Behind a blank it
    would take any word for a time zone and drop it: "10:30 PM" is no morning, so that what stands there must be a zone. -#}
{% macro read_moment(text) -%}
    case
        when substr({{ text }}, 5, 1) = '-' and (
            not contains(substr({{ text }}, 12), ' ')
            or regexp_full_match(substr({{ text }}, 12), ' ?[0-9:.]+ ?(Z|[A-Z]{3,5}|[A-Za-z]+/[A-Za-z_/]+|[+-]\d{1,2}(:?\d{2})?)?')
        ) then try_cast({{ text }} as timestamp)
    end
{%- endmacro %}

{#- A month or year that has begun by the cut-off is not imputed past it; one that lies wholly after it stays after it. -#}
{% macro read_partial_day(text) -%}
    case
        when regexp_full_match({{ text }}, '\d{4}-\d{2}') then {{ impute_day(text, '-01', '-15') }}
        when regexp_full_match({{ text }}, '\d{4}') then {{ impute_day(text, '-01-01', '-07-01') }}
    end
{%- endmacro %}

{% macro impute_day(text, first, middle) -%}
    case
        when try_cast({{ text }} || '{{ middle }}' as date) > {{ data_cutoff() }}
            and try_cast({{ text }} || '{{ first }}' as date) <= {{ data_cutoff() }} then {{ data_cutoff() }}
        else try_cast({{ text }} || '{{ middle }}' as date)
    end
{%- endmacro %}

{% macro is_partial(text) -%} length({{ text }}) in (4, 7) {%- endmacro %}

{% macro read_day(text) -%}
    case when {{ is_partial(text) }} then {{ read_partial_day(text) }} else cast({{ read_moment(text) }} as date) end
{%- endmacro %}

{% macro read_instant(text) -%}
    case
        when {{ is_partial(text) }} then cast({{ read_partial_day(text) }} as timestamp)
        else {{ read_moment(text) }}
    end
{%- endmacro %}

{% macro read_precision(text) -%}
    case
        when {{ read_day(text) }} is null then null
        when length({{ text }}) = 4 then 'year'
        when length({{ text }}) = 7 then 'month'
        else 'day'
    end
{%- endmacro %}

{#- A finite decimal number; DuckDB alone would also read nan, inf and 1_000. -#}
{% macro read_number(text) -%}
    case when not contains({{ text }}, '_') and isfinite(try_cast({{ text }} as double)) then try_cast({{ text }} as double) end
{%- endmacro %}

{#- A whole number within its range; 3.0 is whole, 3.5 is not (DuckDB alone would round it). -#}
{% macro read_integer(text, column) -%}
    case
        when {{ read_number(text) }} = floor({{ read_number(text) }})
            {%- if column.at_least is defined %} and {{ read_number(text) }} >= {{ column.at_least }}{% endif %}
            {%- if column.at_most is defined %} and {{ read_number(text) }} <= {{ column.at_most }}{% endif %}
            then try_cast({{ read_number(text) }} as integer)
    end
{%- endmacro %}

{#- A code of the contract's list, written as the contract writes it; letter case does not matter. -#}
{% macro read_code(text, codes) -%}
    case lower({{ text }})
        {%- for code in codes %} when '{{ code | lower }}' then '{{ code }}'{% endfor %}
    end
{%- endmacro %}

{#- <0.01, > 1000, ≤5: the comparator and the bound stand apart; "=<5" and "<>5" are none. "=5" is 5. All six signs sort behind every sign that a number may
    begin with: to compare the text tells plain numbers at a tenth of the cost of cutting it apart (they stand first in a
    case, for where all rows of a vector take its first branch DuckDB copies none of them). -#}
{% macro is_without_comparator(text) -%} {{ text }} < '<' {%- endmacro %}

{% macro read_comparator(text) -%}
    case
        when left({{ text }}, 2) in ('<=', '>=') then left({{ text }}, 2)
        when left({{ text }}, 1) = '≤' then '<='
        when left({{ text }}, 1) = '≥' then '>='
        when left({{ text }}, 1) in ('<', '>') then left({{ text }}, 1)
    end
{%- endmacro %}

{% macro read_measured(text) -%}
    case
        when {{ is_without_comparator(text) }} then {{ read_number(text) }}
        else {{ read_number("regexp_replace(" ~ text ~ ", '^(<=|>=|[<>≤≥=])\\s*', '')") }}
    end
{%- endmacro %}

{#- The typed value of one column, without its alias. -#}
{% macro read_value(feed, name) -%}
    {%- set column = feed_contract(feed)['columns'][name] -%}
    {%- set text = adapter.quote(name) -%}
    {%- if column.reader == 'text' -%} {{ text }}
    {%- elif column.reader == 'code' -%} {{ read_code(text, column.codes) }}
    {%- elif column.reader == 'date' -%} {{ read_day(text) }}
    {%- elif column.reader == 'datetime' -%} {{ read_instant(text) }}
    {%- elif column.reader == 'integer' -%} {{ read_integer(text, column) }}
    {%- elif column.reader == 'number' -%} {{ read_number(text) }}
    {%- elif column.reader == 'measured' -%} {{ read_measured(text) }}
    {%- else -%} {{ exceptions.raise_compiler_error("feeds.sql: unknown reader " ~ column.reader ~ " of " ~ feed ~ "." ~ name) }}
    {%- endif -%}
{%- endmacro %}

{#- Why a value could not be read, for the person at the source. -#}
{% macro rejection_reason(feed, name) -%}
    {%- set column = feed_contract(feed)['columns'][name] -%}
    {%- if column.reader == 'code' -%} not one of {{ column.codes | join(', ') }}
    {%- elif column.reader == 'date' -%} not a date (YYYY-MM-DD, YYYY-MM or YYYY)
    {%- elif column.reader == 'datetime' -%} not a date or time (ISO 8601)
    {%- elif column.reader == 'integer' and column.at_most is defined -%} not a whole number from {{ column.at_least }} to {{ column.at_most }}
    {%- elif column.reader == 'integer' -%} not a whole number of at least {{ column.at_least }}
    {%- else -%} not a number
    {%- endif -%}
{%- endmacro %}

{#- A column of a staging model: the typed value under its contract name, and what goes with it (precision of a date,
    whether the time of a datetime is known, comparator and text of a measured value). -#}
{% macro typed(feed, name) -%}
    {%- set column = feed_contract(feed)['columns'][name] -%}
    {%- set text = adapter.quote(name) -%}
    {{ read_value(feed, name) }} as {{ text }}
    {%- if column.reader in ('date', 'datetime') -%}, {{ read_precision(text) }} as {{ name }}_precision {%- endif -%}
    {%- if column.reader == 'datetime' -%}, coalesce({{ read_moment(text) }} is not null and contains({{ text }}, ':'), false) as {{ name }}_has_time {%- endif -%}
    {%- if column.reader == 'measured' -%}, {{ text }} as {{ name }}_text
        , case
            when {{ is_without_comparator(text) }} then null
            when {{ read_measured(text) }} is not null then {{ read_comparator(text) }}
        end as {{ name }}_comparator {%- endif -%}
{%- endmacro %}

{#- Where a row came from: every derived event and outcome carries these to its end. -#}
{% macro evidence_columns(feed) -%}
    '{{ feed }}' as source_feed, cast(source_extract as date) as source_extract, source_file, source_row
{%- endmacro %}

{#- The same as one struct, for lists of evidence. -#}
{% macro evidence_struct(prefix='') -%}
    struct_pack(feed := {{ prefix }}source_feed, extract := {{ prefix }}source_extract, file := {{ prefix }}source_file, "row" := {{ prefix }}source_row)
{%- endmacro %}

{#- True for a row that belongs to the study's time: not dated after the data cut-off. An undated row stays. The date is read
    only where its text may lie after the cut-off: DuckDB would read it once for this question and once for the column. -#}
{% macro until_cutoff(feed) -%}
    {%- set dated_by = feed_contract(feed).get('dated_by') -%}
    {%- if dated_by -%}
        case
            when {{ may_lie_after_cutoff(dated_by) }}
                then coalesce(cast({{ read_value(feed, dated_by) }} as date) <= {{ data_cutoff() }}, true)
            else true
        end
    {%- else -%} true {%- endif -%}
{%- endmacro %}

{#- True for a row of a patient whom the patients feed knows; others go to quality.rejected_rows. Asked of the few who are
    unknown, most often nobody: a million known keys in memory for every reader of every feed would spill to disk. -#}
{% macro of_known_patient() -%}
    patient_key not in (select unknown.patient_key from {{ ref('stg_emr__unknown_patients') }} as unknown)
{%- endmacro %}
