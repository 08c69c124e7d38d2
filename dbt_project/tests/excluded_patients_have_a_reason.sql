{{ config(severity='error', meta={
    'rows_depend_on': 'patient',
    'kahn': 'conformance',
    'action': 'A patient is left out without a reason, or kept with one: mend int_cohort.',
    'dagster': {'ref': {'name': 'patients'}},
}) }}
-- Excluded patients carry a reason, included ones none.
select patient_key, included, exclusion_reason
from {{ ref('patients') }}
where included = (exclusion_reason is not null)
