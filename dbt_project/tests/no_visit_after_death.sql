{{ config(severity='warn', meta={
    'kahn': 'plausibility',
    'action': 'Check the day of death and the later visit; one of them belongs to another day or patient.',
    'dagster': {'ref': {'name': 'int_last_contact'}},
}) }}
-- Nobody visits after death. The visit adds nothing to follow-up.
select
    patient_key,
    death_date,
    last_visit_date
from {{ ref('int_last_contact') }}
where visit_after_death
