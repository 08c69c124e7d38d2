-- Measurable residual disease by flow cytometry or qPCR.
-- One row per patient, sampling day and method.
select
    patient_key,
    {{ typed('mrd_results', 'sampled_on') }},
    {{ typed('mrd_results', 'method') }},
    {{ typed('mrd_results', 'target') }},
    {{ typed('mrd_results', 'value_percent') }},
    {{ typed('mrd_results', 'result') }},
    {{ evidence_columns('mrd_results') }}
from {{ lake_relation('mrd_results') }}
where {{ until_cutoff('mrd_results') }}
    and {{ of_known_patient() }}
