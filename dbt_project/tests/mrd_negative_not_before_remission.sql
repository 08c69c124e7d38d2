{{ config(severity='warn', meta={
    'rows_depend_on': 'patient',
    'kahn': 'plausibility',
    'action': 'Check the MRD result or the marrow before it: MRD was negative while the remission was not yet reached. It counts from the remission on.',
    'dagster': {'ref': {'name': 'int_first_mrd_negative'}},
}) }}
-- MRD is not negative before the remission; where a source says so, the remission dates it.
select
    mrd.patient_key,
    mrd.first_negative_sample_on,
    remission.complete_remission_date
from {{ ref('int_first_mrd_negative') }} as mrd
inner join {{ ref('int_first_complete_remission') }} as remission on mrd.patient_key = remission.patient_key
where mrd.first_negative_sample_on < remission.complete_remission_date
