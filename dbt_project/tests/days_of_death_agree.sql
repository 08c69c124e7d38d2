{{ config(severity='warn', meta={
    'rows_depend_on': 'patient',
    'kahn': 'plausibility',
    'action': 'Visits state different days of death, or one before the infusion: leave the right one at the source. Until then the earliest from the infusion on counts, else the visit that says dead.',
    'dagster': {'ref': {'name': 'int_deaths'}},
}) }}
-- A patient has one day of death, and not before the infusion.
select
    patient_key,
    death_date
from {{ ref('int_deaths') }}
where dates_disagree
