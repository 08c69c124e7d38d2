{#- Small words of the clinical models. -#}

{#- A figure that a clinical rule fixes and the study file does not vary; each has its meaning and source in the seed. -#}
{% macro rule_constant(name) -%}
    (select rule_constants.value from {{ ref('rule_constants') }} as rule_constants where rule_constants.name = '{{ name }}')
{%- endmacro %}

{% macro days_between(earlier, later) -%}
    date_diff('day', {{ earlier }}, {{ later }})
{%- endmacro %}

{#- The evidence of one staging row as a list with one entry. -#}
{% macro evidence_list(prefix='') -%}
    list_value({{ evidence_struct(prefix) }})
{%- endmacro %}

{#- One entry of a list of evidence as the four evidence columns. -#}
{% macro source_columns(entry) -%}
    {{ entry }}.feed as source_feed, {{ entry }}.extract as source_extract, {{ entry }}.file as source_file, {{ entry }}."row" as source_row
{%- endmacro %}

{#- Several lists of evidence as one, each source row once, in one order; a missing list adds nothing. Flattened, for
    joining lists of structs one to the other costs more than sorting them. -#}
{% macro merge_evidence(lists) -%}
    list_sort(list_distinct(flatten([{{ lists | join(', ') }}])))
{%- endmacro %}

{#- Two lists of evidence as one, where each is in order and holds a source row once; the same result as merge_evidence.
    Most pairs are one after the other, or one holds the other: to see that costs a fifth of sorting them anew, which was the
    largest single cost of the outcomes (`flatten` costs half of `||`). Lists made by `list` alone don't qualify: one wide
    source row may fill two rows.
    The mark keeps its comparisons out of the mutation of clinical rules: it has tests of its own (test_merged_evidence.py). -#}
{% macro merge_sorted_evidence(one, other) -%}
    /* evidence */ case
        when {{ one }} is null then coalesce({{ other }}, [])
        when {{ other }} is null then {{ one }}
        when {{ one }}[-1] < {{ other }}[1] then flatten([{{ one }}, {{ other }}])
        when {{ other }}[-1] < {{ one }}[1] then flatten([{{ other }}, {{ one }}])
        when list_has_all({{ one }}, {{ other }}) then {{ one }}
        when list_has_all({{ other }}, {{ one }}) then {{ other }}
        when list_has_any({{ one }}, {{ other }}) then {{ merge_evidence([one, other]) }}
        else list_sort(flatten([{{ one }}, {{ other }}]))
    end /* end of evidence */
{%- endmacro %}

{#- One list of evidence that lies in order, each source row once: what merge_sorted_evidence needs of a list made by `list`
    alone. Most hold one row or two, which need no sorting anew. The mark as above. -#}
{% macro each_row_once(evidence) -%}
    /* evidence */ case
        when len({{ evidence }}) <= 1 or len({{ evidence }}) = 2 and {{ evidence }}[1] < {{ evidence }}[2] then {{ evidence }}
        when {{ evidence }} is not null then {{ merge_evidence([evidence]) }}
    end /* end of evidence */
{%- endmacro %}

{#- The files that rows of these relations come from, each with a number that follows feed, extract and name: what is sorted
    by file number and row lies in the order of evidence. -#}
{% macro numbered_files(relations) -%}
    select
        cast(row_number() over (order by source_feed, source_extract, source_file) as integer) as file_number,
        source_feed,
        source_extract,
        source_file
    from (
        {%- for relation in relations %}
        select distinct source_feed, source_extract, source_file from {{ relation }}
        {{- " union" if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{#- Joins a row to its numbered file (`files`). A row without a source is still a row: none falls out for that. -#}
{% macro of_file(row) -%}
    {{ row }}.source_feed is not distinct from files.source_feed
    and {{ row }}.source_extract is not distinct from files.source_extract
    and {{ row }}.source_file is not distinct from files.source_file
{%- endmacro %}

{#- All numbered files as one list, in which a file stands at its number. -#}
{% macro list_of_files(files='files') -%}
    select list(files order by files.file_number) as by_number from {{ files }} as files
{%- endmacro %}

{#- Evidence gathered by numbers, list(struct_pack(file_number, source_row)), with its files named (list_of_files).
    A list of texts costs an aggregate three times as much as one of numbers; naming them afterwards, next to nothing. -#}
{% macro named_evidence(numbers, by_number='named_files.by_number') -%}
    list_transform({{ numbers }}, lambda entry: struct_pack(
        feed := {{ by_number }}[entry.file_number].source_feed,
        extract := {{ by_number }}[entry.file_number].source_extract,
        file := {{ by_number }}[entry.file_number].source_file,
        "row" := cast(entry.source_row as bigint)
    ))
{%- endmacro %}

{#- The order that makes every choice between rows of the same day the same on every night. -#}
{% macro source_order(prefix='') -%}
    {{ prefix }}source_extract, {{ prefix }}source_file, {{ prefix }}source_row
{%- endmacro %}

{#- The evidence of a row of int_graded_labs that an aggregate kept by its numbers (joins: int_lab_files as `files`): a struct
    with `source_row`, or the row's number itself. -#}
{% macro numbered_evidence(chosen, source_row=none) -%}
    struct_pack(
        feed := files.source_feed, extract := files.source_extract, file := files.source_file,
        "row" := cast({{ source_row or chosen ~ '.source_row' }} as bigint)
    )
{%- endmacro %}

{#- True where the extracts hold any row of the feed: without it, "none recorded" means nothing. The plan of a delta night,
    whose lake holds the changed patients alone, says it for all patients. -#}
{% macro feed_delivered(feed) -%}
    {%- set rows = ref('stg_emr__' ~ feed) -%}
    {%- set delivered = lake_plan().get('delivered') -%}
    {%- if delivered is not none -%}{{ 'true' if feed in delivered else 'false' }}
    {%- else -%}(exists (select true from {{ rows }})){%- endif -%}
{%- endmacro %}

{#- Response is assessed by marrow or at an extramedullary site: one of the two feeds tells of it. -#}
{% macro response_delivered() -%}
    ({{ feed_delivered('marrow_assessments') }} or {{ feed_delivered('extramedullary_assessments') }})
{%- endmacro %}

{#- A date that can't lie before the infusion, known by its month or year alone: where that is the infusion's own month or
    year, the day of infusion is the earliest it can mean (needs int_time_zero as `time_zero`). -#}
{% macro not_before_infusion(column) -%}
    case
        when
            {{ column }}_precision in ('month', 'year')
            and date_trunc({{ column }}_precision, {{ column }}) = date_trunc({{ column }}_precision, time_zero.infusion_date)
            then greatest({{ column }}, time_zero.infusion_date)
        else {{ column }}
    end
{%- endmacro %}

{#- Does a measured value such as ">0.3" ("<900") leave open how far above (below) its figure it lies? -#}
{% macro is_open_above(comparator) -%} coalesce({{ comparator }} in ('>', '>='), false) {%- endmacro %}

{% macro is_open_below(comparator) -%} coalesce({{ comparator }} in ('<', '<='), false) {%- endmacro %}

{#- Is a measured value surely below (above) a bound? A value read from "<0.1" lies below 0.1 itself. -#}
{% macro is_below(value, comparator, bound) -%}
    case
        when {{ comparator }} = '<' then {{ value }} <= {{ bound }}
        when {{ comparator }} in ('>', '>=') then false
        else {{ value }} < {{ bound }}
    end
{%- endmacro %}

{% macro is_above(value, comparator, bound) -%}
    case
        when {{ comparator }} = '>' then {{ value }} >= {{ bound }}
        when {{ comparator }} in ('<', '<=') then false
        else {{ value }} > {{ bound }}
    end
{%- endmacro %}
