-- CAR-T infusions: course 1 fraction 1 is the time zero of the study.
-- One row per infusion of CAR-T cells.
-- A table, not a view: made unique once instead of in each of the models that read it.
{{ config(materialized='table') }}

select
    patient_key,
    {{ typed('cart_infusions', 'infusion_id') }},
    {{ typed('cart_infusions', 'infused_at') }},
    {{ typed('cart_infusions', 'course') }},
    {{ typed('cart_infusions', 'fraction') }},
    {{ typed('cart_infusions', 'target') }},
    {{ typed('cart_infusions', 'cells_per_kg') }},
    {{ evidence_columns('cart_infusions') }}
from {{ lake_relation('cart_infusions') }}
where {{ until_cutoff('cart_infusions') }}
    and {{ of_known_patient() }}
