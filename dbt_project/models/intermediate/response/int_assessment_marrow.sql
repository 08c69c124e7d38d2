-- Marrow blasts at an assessment: that day's sample, else the nearest within 7 days; of two equally near, the worse.
-- One row per patient and assessment day that has such a sample. Source: study contract, CR.

select
    assessments.patient_key,
    assessments.assessed_on,
    marrow.sampled_on,
    marrow.blast_percent as marrow_blast_percent,
    {{ evidence_list('marrow.') }} as evidence
from {{ ref('int_response_assessment_dates') }} as assessments
inner join {{ ref('stg_emr__marrow_assessments') }} as marrow on assessments.patient_key = marrow.patient_key
where
    marrow.blast_percent is not null
    and abs({{ days_between('marrow.sampled_on', 'assessments.assessed_on') }}) <= {{ rule_constant('near_days') }}
qualify row_number() over (
    partition by assessments.patient_key, assessments.assessed_on
    order by
        abs({{ days_between('marrow.sampled_on', 'assessments.assessed_on') }}),
        marrow.blast_percent desc,
        {{ source_order('marrow.') }}
) = 1
