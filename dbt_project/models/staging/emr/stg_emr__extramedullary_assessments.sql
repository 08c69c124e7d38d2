-- Leukaemia outside the marrow, site by site.
-- One row per patient, day and site.
select
    patient_key,
    {{ typed('extramedullary_assessments', 'assessed_on') }},
    {{ typed('extramedullary_assessments', 'site') }},
    {{ typed('extramedullary_assessments', 'method') }},
    {{ typed('extramedullary_assessments', 'finding') }},
    {{ evidence_columns('extramedullary_assessments') }}
from {{ lake_relation('extramedullary_assessments') }}
where {{ until_cutoff('extramedullary_assessments') }}
    and {{ of_known_patient() }}
