{{ config(severity='warn', meta={
    'rows_depend_on': 'patient',
    'kahn': 'plausibility',
    'action': 'Check the first day of the CRS in the chart: a CRS that begins later than 30 days after the infusion is rare.',
    'dagster': {'ref': {'name': 'int_recorded_adverse_events'}},
}) }}
-- Recorded CRS of the CAR-T phase begins within 30 days of the infusion.
select
    patient_key,
    term,
    study_day
from {{ ref('int_recorded_adverse_events') }}
where concept = 'crs' and phase = 'cart' and study_day > {{ rule_constant('crs_onset_within_days') }}
