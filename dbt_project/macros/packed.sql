{#- Choices that an aggregate makes among many millions of rows, as the least or the greatest of one whole number in whose bits
    the parts stand side by side: two such numbers compare as their parts would one after the other. The plain form, min() of a
    struct, costs a key on the heap for each row and group: at a million patients int_worst_labs took 30 s in place of 13, and
    int_time_to_event 26 in place of 22. Elsewhere the plain form stands.

    What does not fit is refused, so that none is packed wrongly: a date before the year 1, a day outside the window (before it
    by the low number, after it by the high one) and row 4,294,967,296 by DuckDB's casts, a window or a number of files that is
    too large with a message. The marks keep bits and shifts out of the mutation of clinical rules; test_packed.py holds each
    packed order against the struct's. -#}

{#- An ending of a time: any other before the last contact, then the earlier day, then the smaller priority. 41 bits. -#}
{% macro packed_ending(is_last, ended_on, priority) -%}
    /* packed */ (cast({{ is_last }} as ubigint) << 40)
        | (cast(cast({{ ended_on }} - date '0001-01-01' as uinteger) as ubigint) << 8)
        | cast(cast({{ priority }} as utinyint) as ubigint) /* end of packed */
{%- endmacro %}

{% macro packed_ended_on(packed) -%}
    /* packed */ date '0001-01-01' + cast(({{ packed }} >> 8) & 4294967295 as integer) /* end of packed */
{%- endmacro %}

{% macro packed_priority(packed) -%} /* packed */ cast({{ packed }} & 255 as integer) /* end of packed */ {%- endmacro %}

{#- A reading of a laboratory value, the lowest or highest of which is looked for. 128 bits, from the left: is its bound closed
    or open (1), the value (64), does a comparator move it beyond its figure (1), the day and the file's number (30 together: the
    days take what the study's window needs, 6 for 60 days, the files the rest), the row (32). The bits of a DOUBLE are in order
    where it is not negative; those of a negative one are turned round. -#}

{#- The lower number is the lower reading: the closed before the open, "<5" before 5, then the earlier day, the file, the row. -#}
{% macro packed_low(value, comparator, study_day, file_number, source_row) -%}
    {{ _packed(is_open_above(comparator), value, comparator ~ " is distinct from '<'", study_day ~ ' - ' ~ _first_day(), file_number, source_row) }}
{%- endmacro %}

{#- The higher number is the higher reading: the closed after the open, ">5" after 5, then the earlier day, the file, the row. -#}
{% macro packed_high(value, comparator, study_day, file_number, source_row) -%}
    {{ _packed('not ' ~ is_open_below(comparator), value, comparator ~ " is not distinct from '>'", _last_day() ~ ' - ' ~ study_day, file_number, source_row) }}
{%- endmacro %}

{% macro _packed(first_bit, value, comparator_bit, day, file_number, source_row) -%}
    {%- set bits = 'cast(cast(' ~ value ~ ' + 0.0 as bit) as ubigint)' -%}
    /* packed */ (cast({{ first_bit }} as uhugeint) << 127)
    | (cast(xor({{ bits }}, case when {{ value }} < 0 then {{ _ones() }} else {{ _first_of_64() }} end) as uhugeint) << 63)
    | cast(
        (cast({{ comparator_bit }} as ubigint) << 62)
        | (cast(cast({{ day }} as uinteger) as ubigint) << {{ 62 - _day_bits() | int }})
        | (cast(cast({{ file_number }} as uinteger) as ubigint) << 32)
        | cast(cast({{ source_row }} as uinteger) as ubigint)
        as uhugeint
    ) /* end of packed */
{%- endmacro %}

{% macro _ones() -%} cast(18446744073709551615 as ubigint) {%- endmacro %}

{% macro _first_of_64() -%} cast(9223372036854775808 as ubigint) {%- endmacro %}

{#- What of a packed reading a grade rests on: whether it is open, its value, its comparator; no day, file or row. -#}
{% macro graded_part(packed) -%} /* packed */ ({{ packed }} >> 62) /* end of packed */ {%- endmacro %}

{% macro is_open_part(part, is_low) -%} /* packed */ (({{ part }} >> 65) = 1) = ({{ is_low }}) /* end of packed */ {%- endmacro %}

{#- True for a high reading with ">", and for a low one without "<". -#}
{% macro comparator_of_part(part) -%} /* packed */ (({{ part }} & 1) = 1) /* end of packed */ {%- endmacro %}

{% macro value_of_part(part) -%}
    {%- set ordered = 'cast((' ~ part ~ ' >> 1) & 18446744073709551615 as ubigint)' -%}
    /* packed */ cast(cast(xor(
        {{ ordered }}, case when {{ ordered }} < {{ _first_of_64() }} then {{ _ones() }} else {{ _first_of_64() }} end
    ) as bit) as double) /* end of packed */
{%- endmacro %}

{% macro packed_study_day(packed, is_low) -%}
    {%- set day = 'cast((' ~ packed ~ ' >> ' ~ (62 - _day_bits() | int) ~ ') & ' ~ (2 ** (_day_bits() | int) - 1) ~ ' as integer)' -%}
    /* packed */ case when {{ is_low }} then {{ day }} + {{ _first_day() }} else {{ _last_day() }} - {{ day }} end /* end of packed */
{%- endmacro %}

{% macro packed_file_number(packed) -%} /* packed */ cast(({{ packed }} >> 32) & {{ _most_files() }} as integer) /* end of packed */ {%- endmacro %}

{% macro packed_source_row(packed) -%} /* packed */ cast({{ packed }} & 4294967295 as bigint) /* end of packed */ {%- endmacro %}

{#- The number of a file where it fits; a hospital whose files are more is told what to do. -#}
{% macro packable_file_number(number) -%}
    /* packed */ case
        when {{ number }} <= {{ _most_files() }} then {{ number }}
        else error('The current extracts hold more than {{ _most_files() }} lab files: deliver them in fewer, larger ones.')
    end /* end of packed */
{%- endmacro %}

{% macro _most_files() -%}{{ 2 ** (30 - _day_bits() | int) - 1 }}{%- endmacro %}

{#- Bits for the days from the first to the last of the readings that are packed. -#}
{% macro _day_bits() -%}
    {%- set window = namespace(days=0, bits=0) -%}
    {%- for name in ['baseline_window_days', 'hematologic_toxicity_window_days'] -%}
        {%- set window.days = window.days + (study(name) or 0) -%}
    {%- endfor -%}
    {%- for bits in range(20, 0, -1) if 2 ** bits > window.days -%}{%- set window.bits = bits -%}{%- endfor -%}
    {%- if window.bits == 0 -%}
        {{ exceptions.raise_compiler_error(
            'baseline_window_days and hematologic_toxicity_window_days of the study file make ' ~ window.days
            ~ ' days: together they must stay below ' ~ 2 ** 20 ~ '.') }}
    {%- endif -%}
    {{- window.bits -}}
{%- endmacro %}

{% macro _first_day() -%} (-{{ study('baseline_window_days') or 0 }}) {%- endmacro %}

{% macro _last_day() -%} {{ study('hematologic_toxicity_window_days') or 0 }} {%- endmacro %}
