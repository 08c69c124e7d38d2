-- Allogeneic stem-cell transplants, and which one is a patient's first after the infusion.
-- One row per transplant of a patient with an infusion.

select
    procedures.patient_key,
    procedures.performed_on as hsct_date,
    procedures.performed_on_precision as date_precision,
    procedures.detail,
    {{ days_between('time_zero.infusion_date', 'procedures.performed_on') }} as study_day,
    procedures.performed_on <= time_zero.infusion_date as before_infusion,
    procedures.performed_on > time_zero.infusion_date
    and row_number() over (
        partition by procedures.patient_key, procedures.performed_on > time_zero.infusion_date
        order by procedures.performed_on, {{ source_order('procedures.') }}
    ) = 1 as first_after_infusion,
    {{ evidence_list('procedures.') }} as evidence
from {{ ref('stg_emr__procedures') }} as procedures
inner join {{ ref('int_time_zero') }} as time_zero on procedures.patient_key = time_zero.patient_key
where lower(procedures.procedure) = 'allo_hsct' and procedures.performed_on is not null
