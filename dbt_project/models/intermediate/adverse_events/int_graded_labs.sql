-- Laboratory values that a grade or a count recovery may rest on, in the analyte's canonical unit, with the study day. A
-- value in an unknown unit is not used. One row per lab row of an infused patient whose analyte has reference limits.
-- A narrow work table, not published: four models read it instead of casting and joining the long feed anew. Patient and
-- file stand in it as numbers (int_time_zero, int_lab_files).
{{ config(database='unpublished', pre_hook="{{ joins_as_written() }}", post_hook="{{ joins_by_estimate() }}") }}

with converted as (
    select
        time_zero.patient_number,
        analytes.analyte,
        cast(labs.collected_at as date) as collected_on,
        cast({{ days_between('time_zero.infusion_date', 'cast(labs.collected_at as date)') }} as integer) as study_day,
        labs.value * {{ unit_factor() }} as value,
        labs.value_comparator as comparator,
        files.file_number,
        -- 4 bytes, as the day and the file: the key by which an aggregate compares structs of them stays within 32 bytes
        cast(labs.source_row as integer) as source_row
    from {{ ref('stg_emr__lab_results') }} as labs
    inner join {{ ref('lab_analytes') }} as analytes on labs.loinc = analytes.loinc
    {{ unit_join() }}
    inner join {{ ref('int_time_zero') }} as time_zero on labs.patient_key = time_zero.patient_key
    inner join {{ ref('int_lab_files') }} as files
        on labs.source_extract = files.source_extract and labs.source_file = files.source_file
    where
        analytes.analyte in (select graded.analyte from {{ ref('ctcae_lab_grades') }} as graded)
        and coalesce(lower(labs.specimen), analytes.specimen) = analytes.specimen
        and labs.collected_at is not null
)

select *
from converted
where value is not null
