-- Eligible: a dated first CAR-T infusion (course 1, fraction 1). Always applied: without it there is no time zero.
-- One row per patient known.
select
    patients.patient_key,
    time_zero.patient_key is not null as is_met
from {{ ref('stg_emr__patients') }} as patients
left join {{ ref('int_time_zero') }} as time_zero on patients.patient_key = time_zero.patient_key
