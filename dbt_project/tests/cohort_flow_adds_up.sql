{{ config(severity='error', meta={
    'kahn': 'conformance',
    'action': 'The steps of the flow and the patients disagree: mend int_cohort or cohort_flow before anything is published.',
    'dagster': {'ref': {'name': 'cohort_flow'}},
}) }}
-- The flow begins with every patient known and ends with every patient studied.
select *
from (
    select
        (select n_remaining from {{ ref('cohort_flow') }} where step = 0) as n_first,
        (select arg_max(n_remaining, step) from {{ ref('cohort_flow') }}) as n_last,
        (select count(*) from {{ ref('patients') }}) as n_known,
        (select count(*) from {{ ref('patients') }} where included) as n_included
)
where n_first != n_known or n_last != n_included
