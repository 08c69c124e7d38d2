{{ config(severity='warn', meta={
    'rows_depend_on': 'patient',
    'kahn': 'plausibility',
    'action': 'Record the transplant in procedures, or the phase of the event as cart.',
    'dagster': {'ref': {'name': 'adverse_events'}},
}) }}
-- An adverse event of the transplant phase belongs to a patient with a transplant after the infusion.
select
    patient_key,
    term
from {{ ref('adverse_events') }}
where without_transplant
