-- Chemotherapy before CAR-T, line by line, with what each line achieved.
-- One row per patient and line of therapy.
select
    patient_key,
    {{ typed('prior_therapies', 'line') }},
    {{ typed('prior_therapies', 'phase') }},
    {{ typed('prior_therapies', 'regimen') }},
    {{ typed('prior_therapies', 'started_on') }},
    {{ typed('prior_therapies', 'ended_on') }},
    {{ typed('prior_therapies', 'outcome') }},
    {{ evidence_columns('prior_therapies') }}
from {{ lake_relation('prior_therapies') }}
where {{ until_cutoff('prior_therapies') }}
    and {{ of_known_patient() }}
