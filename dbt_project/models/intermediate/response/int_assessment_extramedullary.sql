-- Extramedullary disease at an assessment: per site the nearest finding within 7 days (of two equally near, "present");
-- present at any site is disease. One row per patient and assessment day that has one. Source: study contract, CR.

with nearest_per_site as (
    select
        assessments.patient_key,
        assessments.assessed_on,
        findings.site,
        findings.finding = 'present' as present,
        {{ evidence_struct('findings.') }} as evidence
    from {{ ref('int_response_assessment_dates') }} as assessments
    inner join {{ ref('stg_emr__extramedullary_assessments') }} as findings
        on assessments.patient_key = findings.patient_key
    where
        findings.finding is not null
        and abs({{ days_between('findings.assessed_on', 'assessments.assessed_on') }}) <= {{ rule_constant('near_days') }}
    qualify row_number() over (
        partition by assessments.patient_key, assessments.assessed_on, findings.site
        order by
            abs({{ days_between('findings.assessed_on', 'assessments.assessed_on') }}),
            findings.finding = 'present' desc,
            {{ source_order('findings.') }}
    ) = 1
)

select
    patient_key,
    assessed_on,
    bool_or(present) as extramedullary_disease,
    list_sort(list(evidence)) as evidence
from nearest_per_site
group by patient_key, assessed_on
