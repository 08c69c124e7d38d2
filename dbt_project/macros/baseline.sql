{#- On or before the infusion. A row of the infusion day counts, unless its time and the infusion's are both known and it
    came later (needs int_time_zero as `time_zero`). -#}
{% macro is_at_baseline(moment, has_time) -%}
    (
        cast({{ moment }} as date) < time_zero.infusion_date
        or (
            cast({{ moment }} as date) = time_zero.infusion_date
            and not ({{ has_time }} and time_zero.infused_at_has_time and {{ moment }} > time_zero.infused_at)
        )
    )
{%- endmacro %}

{#- Not older than the study's baseline window (needs int_time_zero as `time_zero`). -#}
{% macro is_in_baseline_window(day) -%}
    date_diff('day', {{ day }}, time_zero.infusion_date) <= {{ study('baseline_window_days') }}
{%- endmacro %}

{#- A gene's name without the signs that people put between its parts: BCR::ABL1, BCR-ABL1, bcr/abl1 -> BCRABL1. -#}
{% macro gene_alias(gene) -%}
    regexp_replace(upper({{ gene }}), '[^A-Z0-9]', '', 'g')
{%- endmacro %}

{#- Does a diagnosis code begin with one of the study's prefixes? Dots do not matter (C91.0 = C910). An empty list: every code. -#}
{% macro has_study_prefix(code, key) -%}
    {%- set prefixes = study(key) or [] -%}
    {%- if prefixes -%}
    (
        {%- for prefix in prefixes %}
        starts_with(replace(upper({{ code }}), '.', ''), {{ sql_text(prefix | upper | replace(".", "")) }}) {{- " or" if not loop.last }}
        {%- endfor %}
    )
    {%- else -%} true {%- endif -%}
{%- endmacro %}

{#- The first day that a date can mean: of "2017" 1 January, though it is imputed as 1 July. A history row with a partial
    date counts as before the infusion unless its whole month or year lies after it. -#}
{% macro earliest_day(column) -%}
    case
        when {{ column }}_precision = 'year' then cast(date_trunc('year', {{ column }}) as date)
        when {{ column }}_precision = 'month' then cast(date_trunc('month', {{ column }}) as date)
        else {{ column }}
    end
{%- endmacro %}

{#- The last day that a date can mean: of "2017" 31 December, but never after the data cut-off where it began before it. -#}
{% macro latest_day(column) -%}
    case
        when {{ column }}_precision in ('month', 'year')
            then greatest({{ column }}, least({{ data_cutoff() }}, cast(
                date_trunc({{ column }}_precision, {{ column }}) + to_months(if({{ column }}_precision = 'year', 12, 1)) as date
            ) - 1))
        else {{ column }}
    end
{%- endmacro %}
