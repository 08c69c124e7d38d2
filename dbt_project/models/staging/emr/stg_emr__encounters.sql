-- Stays on ward and ICU, outpatient visits.
-- One row per stay or visit.
select
    patient_key,
    {{ typed('encounters', 'encounter_id') }},
    {{ typed('encounters', 'care_unit') }},
    {{ typed('encounters', 'admitted_at') }},
    {{ typed('encounters', 'discharged_at') }},
    {{ evidence_columns('encounters') }}
from {{ lake_relation('encounters') }}
where {{ until_cutoff('encounters') }}
    and {{ of_known_patient() }}
