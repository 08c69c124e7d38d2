-- Vital signs at the bedside.
-- One row per patient, time of measurement and sign.
-- A view over the lake, scanned and never copied; rows of unknown patients fall out where they meet the patients.
select
    patient_key,
    {{ typed('vital_signs', 'measured_at') }},
    {{ typed('vital_signs', 'sign') }},
    {{ typed('vital_signs', 'value') }},
    {{ typed('vital_signs', 'unit') }},
    {{ evidence_columns('vital_signs') }}
from {{ lake_relation('vital_signs') }}
where {{ until_cutoff('vital_signs') }}
