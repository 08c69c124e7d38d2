-- First complete remission: under the study's rule set, the first assessment in complete remission within the response
-- window. One row per patient who reached it. Source: study contract, CR.

with first_days as (
    select patient_key, min(assessed_on) as complete_remission_date
    from {{ ref('int_response_by_rule') }}
    where
        rule_set = '{{ study('rules.response') }}'
        and complete_remission
        and study_day <= {{ study('response.window_days') }}
    group by patient_key
)

select
    responses.patient_key,
    responses.assessed_on as complete_remission_date,
    responses.study_day,
    responses.date_precision,
    {{ response_evidence('responses') }} as evidence
from {{ ref('int_response_by_rule') }} as responses
inner join first_days
    on responses.patient_key = first_days.patient_key and responses.assessed_on = first_days.complete_remission_date
{{ response_rows('responses') }}
where responses.rule_set = '{{ study('rules.response') }}'
