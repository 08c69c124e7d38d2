-- Procedures, transplantation among them.
-- One row per patient, procedure and day.
select
    patient_key,
    {{ typed('procedures', 'procedure') }},
    {{ typed('procedures', 'performed_on') }},
    {{ typed('procedures', 'detail') }},
    {{ evidence_columns('procedures') }}
from {{ lake_relation('procedures') }}
where {{ until_cutoff('procedures') }}
    and {{ of_known_patient() }}
