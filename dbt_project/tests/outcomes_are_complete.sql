{{ config(severity='error', meta={
    'rows_depend_on': 'patient',
    'kahn': 'completeness',
    'action': 'An included patient lacks an endpoint, or has one that needs a remission without it: mend the outcome models.',
    'dagster': {'ref': {'name': 'outcomes'}},
}) }}
-- Every included patient has every endpoint; those counted from the remission exactly where there is one.
with due as (
    select
        patients.patient_key,
        endpoints.endpoint
    from {{ ref('patients') }} as patients
    cross join {{ ref('endpoints') }} as endpoints
    where patients.included and (coalesce(endpoints.origin, '') <> 'complete_remission' or patients.complete_remission)
)

select
    coalesce(due.patient_key, outcomes.patient_key) as patient_key,
    coalesce(due.endpoint, outcomes.endpoint) as endpoint
from due
full outer join {{ ref('outcomes') }} as outcomes
    on due.patient_key = outcomes.patient_key and due.endpoint = outcomes.endpoint
where due.patient_key is null or outcomes.patient_key is null
