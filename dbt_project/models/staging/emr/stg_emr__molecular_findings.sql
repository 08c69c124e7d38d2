-- Fusion transcripts and mutations.
-- One row per patient, kind and gene.
select
    patient_key,
    {{ typed('molecular_findings', 'sampled_on') }},
    {{ typed('molecular_findings', 'kind') }},
    {{ typed('molecular_findings', 'gene') }},
    {{ typed('molecular_findings', 'result') }},
    {{ evidence_columns('molecular_findings') }}
from {{ lake_relation('molecular_findings') }}
where {{ until_cutoff('molecular_findings') }}
    and {{ of_known_patient() }}
