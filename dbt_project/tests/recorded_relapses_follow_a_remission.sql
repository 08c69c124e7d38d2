{{ config(severity='warn', meta={
    'rows_depend_on': 'patient',
    'kahn': 'plausibility',
    'action': 'Check the day of relapse at the visit, and whether the remission before it was entered; the relapse is not counted.',
    'dagster': {'ref': {'name': 'int_leukemia_findings'}},
}) }}
-- A relapse that a visit records is counted only after a remission where response was assessed: these are not counted.
select
    leukemia.patient_key,
    leukemia.found_on
from {{ ref('int_leukemia_findings') }} as leukemia
inner join {{ ref('int_patient_response') }} as response on leukemia.patient_key = response.patient_key
where
    leukemia.found_in = 'follow_up'
    and response.response_evaluable
    and leukemia.found_on < coalesce(response.complete_remission_date, leukemia.found_on + 1)
