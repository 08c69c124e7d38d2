-- Laboratory values; a value below or above a bound keeps its comparator.
-- One row per patient, time of collection and LOINC code.
-- A view over the lake, scanned and never copied; rows of unknown patients fall out where they meet the patients.
select
    patient_key,
    {{ typed('lab_results', 'collected_at') }},
    {{ typed('lab_results', 'specimen') }},
    {{ typed('lab_results', 'loinc') }},
    {{ typed('lab_results', 'test_name') }},
    {{ typed('lab_results', 'value') }},
    {{ typed('lab_results', 'unit') }},
    {{ evidence_columns('lab_results') }}
from {{ lake_relation('lab_results') }}
where {{ until_cutoff('lab_results') }}
