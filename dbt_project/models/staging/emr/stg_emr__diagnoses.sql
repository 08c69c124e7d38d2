-- Diagnoses with the immunophenotype that came with them.
-- One row per patient, day of diagnosis and code.
select
    patient_key,
    {{ typed('diagnoses', 'diagnosed_on') }},
    {{ typed('diagnoses', 'code_system') }},
    {{ typed('diagnoses', 'code') }},
    {{ typed('diagnoses', 'description') }},
    {{ typed('diagnoses', 'immunophenotype') }},
    {{ typed('diagnoses', 'method') }},
    {{ evidence_columns('diagnoses') }}
from {{ lake_relation('diagnoses') }}
where {{ until_cutoff('diagnoses') }}
    and {{ of_known_patient() }}
