-- Bone marrow: leukaemic blasts in percent.
-- One row per patient and sampling day.
select
    patient_key,
    {{ typed('marrow_assessments', 'sampled_on') }},
    {{ typed('marrow_assessments', 'blast_percent') }},
    {{ typed('marrow_assessments', 'method') }},
    {{ evidence_columns('marrow_assessments') }}
from {{ lake_relation('marrow_assessments') }}
where {{ until_cutoff('marrow_assessments') }}
    and {{ of_known_patient() }}
