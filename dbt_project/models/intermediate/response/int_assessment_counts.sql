-- Count recovery at an assessment: neutrophils and platelets (10^9/L) of the nearest day within 7 days; of several
-- values equally near, the lower. One row per patient and assessment day that has either. Source: ELN 2022.

with nearest as (
    select
        assessments.patient_key,
        assessments.assessed_on,
        labs.analyte,
        labs.value,
        labs.comparator,
        {{ evidence_struct('labs.') }} as evidence
    from {{ ref('int_response_assessment_dates') }} as assessments
    inner join {{ ref('int_graded_labs') }} as labs on assessments.patient_key = labs.patient_key
    where
        labs.analyte in ('neutrophils', 'platelets')
        and abs({{ days_between('labs.collected_on', 'assessments.assessed_on') }}) <= {{ rule_constant('near_days') }}
    qualify row_number() over (
        partition by assessments.patient_key, assessments.assessed_on, labs.analyte
        order by
            abs({{ days_between('labs.collected_on', 'assessments.assessed_on') }}),
            labs.value,
            labs.comparator nulls last,
            {{ source_order('labs.') }}
    ) = 1
)

select
    patient_key,
    assessed_on,
    max(value) filter (where analyte = 'neutrophils') as neutrophils,
    max(comparator) filter (where analyte = 'neutrophils') as neutrophils_comparator,
    max(value) filter (where analyte = 'platelets') as platelets,
    max(comparator) filter (where analyte = 'platelets') as platelets_comparator,
    list_sort(list(evidence)) as evidence
from nearest
group by patient_key, assessed_on
