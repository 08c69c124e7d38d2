{#- The only reader of the study file: study('response.window_days') walks the nested mapping in the variable `study`.
    While dbt parses, an absent study yields none (a parse needs no study file); when a model runs it is an error. -#}
{% macro study(key) -%}
    {%- set found = namespace(value=var('study', none), missing=false) -%}
    {%- if found.value is none -%}
        {%- if execute -%}
            {{ exceptions.raise_compiler_error(
                "The study file is not known to dbt: pass it as --vars '{\"study\": {...}}' "
                ~ "(Study.as_dbt_variable() makes it; make refresh does so by itself).") }}
        {%- endif -%}
        {{ return(none) }}
    {%- endif -%}
    {%- for part in key.split('.') -%}
        {%- if found.value is mapping and part in found.value -%}
            {%- set found.value = found.value[part] -%}
        {%- elif execute -%}
            {{ exceptions.raise_compiler_error("The study file has no key '" ~ key ~ "' (at '" ~ part ~ "').") }}
        {%- else -%}
            {{ return(none) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found.value) }}
{%- endmacro %}

{#- A list of the study file as SQL strings: ('C91.0', 'C91.5'); an empty or absent list is the list with one NULL. -#}
{% macro study_list(key) -%}
    {%- set entries = study(key) or [] -%}
    {%- if entries is string -%}{%- set entries = [entries] -%}{%- endif -%}
    ({%- for entry in entries -%}'{{ entry | string | replace("'", "''") }}'{{ ", " if not loop.last }}{%- else -%}null{%- endfor -%})
{%- endmacro %}

{#- A date of the study file as a SQL date; an absent one is NULL. -#}
{% macro study_date(key) -%}
    {%- set day = study(key) -%}
    {%- if day -%} date '{{ day }}' {%- else -%} cast(null as date) {%- endif -%}
{%- endmacro %}

{#- The last day that counts: study.data_cutoff, or the newest extract's date where the study file leaves it open. -#}
{% macro data_cutoff() -%}
    {%- set day = study('study.data_cutoff') or lake_plan().get('newest_extract') -%}
    {%- if day -%} date '{{ day }}' {%- else -%} cast(null as date) {%- endif -%}
{%- endmacro %}
