{{ config(severity='warn', meta={
    'rows_depend_on': 'patient',
    'kahn': 'plausibility',
    'action': 'The hospital calls the disease refractory or relapsed and its rows do not show it: ask the source for the missing lines of therapy, marrows or MRD results.',
    'dagster': {'ref': {'name': 'patients'}},
}) }}
-- Where the hospital has labelled the disease, the derived flags agree with the label.
select patient_key, recorded_refractory, refractory, recorded_relapsed, relapsed
from {{ ref('patients') }}
where infusion_date is not null
    and (
        (recorded_refractory and refractory is distinct from true)
        or (recorded_relapsed and relapsed is distinct from true)
    )
