-- Time zero of the study: the first CAR-T infusion, course 1 and fraction 1.
-- A course or fraction that the source left out counts as 1. Of several such rows the earliest counts, then the one
-- whose time is known, then extract, file and row.
-- `patient_number` stands for the key where millions of rows are joined or grouped: 4 bytes instead of 64.
-- One row per patient with a dated first infusion.
with first_infusions as (
    select
        *,
        row_number() over (
            partition by patient_key
            order by
                cast(infused_at as date), infused_at_has_time desc, infused_at, source_extract, source_file, source_row
        ) as nth
    from {{ ref('stg_emr__cart_infusions') }}
    where infused_at is not null
        and coalesce(course, 1) = 1
        and coalesce(fraction, 1) = 1
)

select
    patient_key,
    cast(row_number() over (order by patient_key) as integer) as patient_number,
    cast(infused_at as date) as infusion_date,
    infused_at,
    infused_at_has_time,
    infused_at_precision,
    source_feed,
    source_extract,
    source_file,
    source_row,
    [{{ evidence_struct() }}] as evidence
from first_infusions
where nth = 1
