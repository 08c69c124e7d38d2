{{ config(severity='error', meta={
    'rows_depend_on': 'patient',
    'kahn': 'plausibility',
    'action': 'Two endpoints of a patient contradict each other: look at their evidence, then mend the outcome models.',
    'dagster': {'ref': {'name': 'outcomes'}},
}) }}
-- Nobody is event-free beyond death; relapse and non-relapse mortality end on the same day and are not both the event.
with by_patient as (
    select
        patient_key,
        max(time_days) filter (where endpoint = 'EFS') as efs,
        max(time_days) filter (where endpoint = 'OS' and event) as death,
        max(time_days) filter (where endpoint = 'RELAPSE') as relapse,
        max(time_days) filter (where endpoint = 'NON_RELAPSE_MORTALITY') as non_relapse_mortality,
        count(*) filter (where endpoint in ('RELAPSE', 'NON_RELAPSE_MORTALITY') and event) as competing_events
    from {{ ref('outcomes') }}
    group by patient_key
)

select *
from by_patient
where efs > death or relapse <> non_relapse_mortality or competing_events > 1
