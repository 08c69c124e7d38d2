{{ config(severity='warn', meta={
    'kahn': 'plausibility',
    'action': 'Visits state different days of death: leave the right one at the source. Until then the earliest counts.',
    'dagster': {'ref': {'name': 'int_deaths'}},
}) }}
-- A patient has one day of death.
select
    patient_key,
    death_date
from {{ ref('int_deaths') }}
where dates_disagree
