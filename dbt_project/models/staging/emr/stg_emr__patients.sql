-- The people: sex and birth date. Direct identifiers never got past ingestion.
-- One row per patient the hospital knows.
-- A table, not a view: made unique once instead of in each of the models that read it.
{{ config(materialized='table') }}

select
    patient_key,
    {{ typed('patients', 'sex') }},
    {{ typed('patients', 'birth_date') }},
    {{ evidence_columns('patients') }}
from {{ lake_relation('patients') }}
