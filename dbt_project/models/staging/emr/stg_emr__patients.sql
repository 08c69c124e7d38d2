-- The people: sex and birth date. Direct identifiers never got past ingestion.
-- One row per patient the hospital knows.
select
    patient_key,
    {{ typed('patients', 'sex') }},
    {{ typed('patients', 'birth_date') }},
    {{ evidence_columns('patients') }}
from {{ lake_relation('patients') }}
