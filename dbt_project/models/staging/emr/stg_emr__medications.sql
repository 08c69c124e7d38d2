-- Drugs given, with the purpose they were given for.
-- One row per patient, drug and start.
select
    patient_key,
    {{ typed('medications', 'drug') }},
    {{ typed('medications', 'started_at') }},
    {{ typed('medications', 'ended_at') }},
    {{ typed('medications', 'dose') }},
    {{ typed('medications', 'dose_unit') }},
    {{ typed('medications', 'purpose') }},
    {{ evidence_columns('medications') }}
from {{ lake_relation('medications') }}
where {{ until_cutoff('medications') }}
    and {{ of_known_patient() }}
