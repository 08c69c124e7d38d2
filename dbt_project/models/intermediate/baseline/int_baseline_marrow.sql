-- Baseline marrow: leukaemic blasts at the last marrow sampled on or before the infusion, not older than the study's
-- baseline window. One row per patient with an infusion and such a marrow.
with candidates as (
    select marrow.*
    from {{ ref('stg_emr__marrow_assessments') }} as marrow
    inner join {{ ref('int_time_zero') }} as time_zero on marrow.patient_key = time_zero.patient_key
    where marrow.blast_percent is not null
        and marrow.sampled_on <= time_zero.infusion_date
        and {{ is_in_baseline_window('marrow.sampled_on') }}
)

select
    patient_key,
    arg_max(blast_percent, row(sampled_on, {{ source_order() }})) as marrow_blast_percent,
    max(sampled_on) as sampled_on,
    [arg_max({{ evidence_struct() }}, row(sampled_on, {{ source_order() }}))] as evidence
from candidates
group by patient_key
