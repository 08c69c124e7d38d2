-- Count recovery at an assessment: neutrophils and platelets (10^9/L) of the nearest day within 7 days; of several
-- values equally near, the lower. One row per patient and assessment day that has either. Source: ELN 2022.
-- arg_min over a total order instead of row_number: it needs no sort, a quarter less time on 10 million lab rows.

with nearest as (
    select
        assessments.patient_key,
        assessments.assessed_on,
        labs.analyte,
        arg_min(
            struct_pack(value := labs.value, comparator := labs.comparator, evidence := {{ evidence_struct('labs.') }}),
            row(
                abs({{ days_between('labs.collected_on', 'assessments.assessed_on') }}),
                labs.value,
                labs.comparator is null,
                labs.comparator,
                {{ source_order('labs.') }}
            )
        ) as chosen
    from {{ ref('int_response_assessment_dates') }} as assessments
    inner join {{ ref('int_graded_labs') }} as labs on assessments.patient_key = labs.patient_key
    where
        labs.analyte in ('neutrophils', 'platelets')
        and abs({{ days_between('labs.collected_on', 'assessments.assessed_on') }}) <= {{ rule_constant('near_days') }}
    group by assessments.patient_key, assessments.assessed_on, labs.analyte
)

select
    patient_key,
    assessed_on,
    max(chosen.value) filter (where analyte = 'neutrophils') as neutrophils,
    max(chosen.comparator) filter (where analyte = 'neutrophils') as neutrophils_comparator,
    max(chosen.value) filter (where analyte = 'platelets') as platelets,
    max(chosen.comparator) filter (where analyte = 'platelets') as platelets_comparator,
    list_sort(list(chosen.evidence)) as evidence
from nearest
group by patient_key, assessed_on
