-- MRD status at an assessment: the nearest day within 7 days that has a result; negative where any result of that day
-- counts as MRD negative, else positive where any is. Of two equally near days, the worse.
-- One row per patient and assessment day that has one. Source: study contract.

with days as (
    select
        patient_key,
        sampled_on,
        case
            when bool_or(counts_as_negative) then 'negative'
            when bool_or(status = 'positive') then 'positive'
        end as mrd_status,
        list_sort(list({{ evidence_struct() }})) as evidence
    from {{ ref('int_mrd_findings') }}
    group by patient_key, sampled_on
)

select
    assessments.patient_key,
    assessments.assessed_on,
    days.mrd_status,
    days.evidence
from {{ ref('int_response_assessment_dates') }} as assessments
inner join days on assessments.patient_key = days.patient_key
where
    days.mrd_status is not null
    and abs({{ days_between('days.sampled_on', 'assessments.assessed_on') }}) <= {{ rule_constant('near_days') }}
qualify row_number() over (
    partition by assessments.patient_key, assessments.assessed_on
    order by
        abs({{ days_between('days.sampled_on', 'assessments.assessed_on') }}),
        days.mrd_status desc,
        days.sampled_on
) = 1
