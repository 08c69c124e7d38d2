-- Circulating blasts at an assessment: the nearest blood count of blasts within 7 days; of two equally near, the worse.
-- One row per patient and assessment day that has one. Source: study contract, CR.

select
    assessments.patient_key,
    assessments.assessed_on,
    blasts.blast_percent as circulating_blast_percent,
    blasts.blasts_present as circulating_blasts,
    {{ evidence_list('blasts.') }} as evidence
from {{ ref('int_response_assessment_dates') }} as assessments
inner join {{ ref('int_circulating_blasts') }} as blasts on assessments.patient_key = blasts.patient_key
where abs({{ days_between('blasts.collected_on', 'assessments.assessed_on') }}) <= {{ rule_constant('near_days') }}
qualify row_number() over (
    partition by assessments.patient_key, assessments.assessed_on
    order by
        abs({{ days_between('blasts.collected_on', 'assessments.assessed_on') }}),
        blasts.blasts_present desc,
        blasts.blast_percent desc,
        {{ source_order('blasts.') }}
) = 1
