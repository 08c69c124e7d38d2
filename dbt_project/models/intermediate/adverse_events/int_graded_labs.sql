-- Laboratory values that a grade or a count recovery may rest on, in the analyte's canonical unit, with the study day. A
-- value in an unknown unit is not used. One row per lab row of an infused patient whose analyte has reference limits.
-- A view: the long feed is scanned where it is needed and never copied.
{{ config(materialized='view') }}

with converted as (
    select
        labs.patient_key,
        analytes.analyte,
        cast(labs.collected_at as date) as collected_on,
        {{ days_between('time_zero.infusion_date', 'cast(labs.collected_at as date)') }} as study_day,
        labs.value * {{ unit_factor() }} as value,
        labs.value_comparator as comparator,
        labs.source_feed,
        labs.source_extract,
        labs.source_file,
        labs.source_row
    from {{ ref('stg_emr__lab_results') }} as labs
    inner join {{ ref('lab_analytes') }} as analytes on labs.loinc = analytes.loinc
    {{ unit_join() }}
    inner join {{ ref('int_time_zero') }} as time_zero on labs.patient_key = time_zero.patient_key
    where
        analytes.analyte in (select graded.analyte from {{ ref('ctcae_lab_grades') }} as graded)
        and coalesce(lower(labs.specimen), analytes.specimen) = analytes.specimen
        and labs.collected_at is not null
)

select *
from converted
where value is not null
