-- Response at each assessment after the infusion under the study's rule set, with the findings that decided it. A part
-- that was assumed because no feed speaks of it within 7 days is flagged. One row per patient and assessment date.

with assessments as (
    select
        findings.*,
        responses.response,
        responses.rule_set,
        responses.complete_remission,
        {{ response_evidence('responses') }} as response_rows,
        {{ each_row_once('findings.mrd_evidence') }} as mrd_rows
    from {{ ref('int_response_by_rule') }} as responses
    {{ response_rows('responses') }}
    where responses.rule_set = '{{ study('rules.response') }}'
)

select
    patient_key,
    assessed_on,
    cast(study_day as integer) as study_day,
    marrow_blast_percent,
    circulating_blasts,
    circulating_blast_percent,
    extramedullary_disease,
    complete_remission,
    mrd_status,
    response,
    rule_set,
    study_day <= {{ study('response.window_days') }} as within_window,
    marrow_assumed,
    blood_assumed,
    extramedullary_assumed,
    {{ merge_sorted_evidence('response_rows', 'mrd_rows') }} as evidence
from assessments
order by patient_key, assessed_on
