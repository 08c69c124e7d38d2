-- Bridging to HSCT: the first allogeneic transplant after the infusion, within the study's bridging window. A transplant
-- up to the day of infusion is history (`hsct_before_infusion`). NULL where no extract holds procedures.
-- One row per patient with an infusion. Source: paper, bridged to HSCT within two months.

with history as (
    select patient_key, bool_or(before_infusion) as hsct_before_infusion
    from {{ ref('int_allo_transplants') }}
    group by patient_key
)

select
    time_zero.patient_key,
    case when {{ feed_delivered('procedures') }}
        then coalesce(transplants.study_day <= {{ study('hsct.bridging_window_days') }}, false)
    end as bridged_to_hsct,
    transplants.hsct_date,
    case when {{ feed_delivered('procedures') }} then coalesce(history.hsct_before_infusion, false) end
        as hsct_before_infusion,
    coalesce(transplants.evidence, []) as evidence
from {{ ref('int_time_zero') }} as time_zero
left join {{ ref('int_allo_transplants') }} as transplants
    on time_zero.patient_key = transplants.patient_key and transplants.first_after_infusion
left join history on time_zero.patient_key = history.patient_key
