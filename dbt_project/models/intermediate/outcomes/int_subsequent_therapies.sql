-- Therapy after the first infusion: an allogeneic transplant within the bridging window, a repeated CAR-T course, or drugs
-- given as consolidation or salvage. One row per source row.

select
    patient_key,
    hsct_date as started_on,
    'bridged to HSCT' as therapy,
    evidence
from {{ ref('int_allo_transplants') }}
where first_after_infusion and study_day <= {{ study('hsct.bridging_window_days') }}
union all
select
    infusions.patient_key,
    cast(infusions.infused_at as date),
    'repeated CAR-T consolidation',
    {{ evidence_list('infusions.') }}
from {{ ref('stg_emr__cart_infusions') }} as infusions
inner join {{ ref('int_time_zero') }} as time_zero on infusions.patient_key = time_zero.patient_key
where infusions.course > 1 and cast(infusions.infused_at as date) > time_zero.infusion_date
union all
select
    medications.patient_key,
    cast(medications.started_at as date),
    case lower(medications.purpose)
        when 'consolidation' then 'consolidation chemotherapy'
        else 'salvage chemotherapy'
    end,
    {{ evidence_list('medications.') }}
from {{ ref('stg_emr__medications') }} as medications
inner join {{ ref('int_time_zero') }} as time_zero on medications.patient_key = time_zero.patient_key
where
    lower(medications.purpose) in ('consolidation', 'salvage')
    and cast(medications.started_at as date) > time_zero.infusion_date
