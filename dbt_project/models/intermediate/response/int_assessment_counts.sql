-- Count recovery at an assessment: neutrophils and platelets (10^9/L) of the nearest day within 7 days; of several
-- values equally near, the lower. One row per patient and assessment day that has either. Source: ELN 2022.
-- The least of a struct, in the order of its fields, instead of row_number: it needs no sort of the long feed.

with assessments as (
    select
        time_zero.patient_number,
        dates.patient_key,
        dates.assessed_on
    from {{ ref('int_response_assessment_dates') }} as dates
    inner join {{ ref('int_time_zero') }} as time_zero on dates.patient_key = time_zero.patient_key
),

nearest as (
    select
        assessments.patient_number,
        assessments.assessed_on,
        labs.analyte,
        min(struct_pack(
            days_off := abs({{ days_between('labs.collected_on', 'assessments.assessed_on') }}),
            value := labs.value,
            exact_order := labs.comparator is null,
            comparator := labs.comparator,
            file_number := labs.file_number,
            source_row := labs.source_row
        )) as chosen
    from assessments
    inner join {{ ref('int_graded_labs') }} as labs on assessments.patient_number = labs.patient_number
    where
        labs.analyte in ('neutrophils', 'platelets')
        and abs({{ days_between('labs.collected_on', 'assessments.assessed_on') }}) <= {{ rule_constant('near_days') }}
    group by assessments.patient_number, assessments.assessed_on, labs.analyte
),

recovered as (
    select
        nearest.patient_number,
        nearest.assessed_on,
        max(nearest.chosen.value) filter (where nearest.analyte = 'neutrophils') as neutrophils,
        max(nearest.chosen.comparator) filter (where nearest.analyte = 'neutrophils') as neutrophils_comparator,
        max(nearest.chosen.value) filter (where nearest.analyte = 'platelets') as platelets,
        max(nearest.chosen.comparator) filter (where nearest.analyte = 'platelets') as platelets_comparator,
        list_sort(list({{ numbered_evidence('nearest.chosen') }})) as evidence
    from nearest
    inner join {{ ref('int_lab_files') }} as files on nearest.chosen.file_number = files.file_number
    group by nearest.patient_number, nearest.assessed_on
)

select
    assessments.patient_key,
    recovered.assessed_on,
    recovered.neutrophils,
    recovered.neutrophils_comparator,
    recovered.platelets,
    recovered.platelets_comparator,
    recovered.evidence
from recovered
inner join assessments
    on recovered.patient_number = assessments.patient_number and recovered.assessed_on = assessments.assessed_on
