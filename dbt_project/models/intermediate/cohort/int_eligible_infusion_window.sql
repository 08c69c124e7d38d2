-- Eligible: infused within the study's window, both days included; an open end is not applied.
-- One row per patient known.
select
    patients.patient_key,
    {% if is_criterion_applied('infusion_window') -%}
    coalesce(
        time_zero.infusion_date >= coalesce({{ study_date('cohort.infused_from') }}, time_zero.infusion_date)
        and time_zero.infusion_date <= coalesce({{ study_date('cohort.infused_to') }}, time_zero.infusion_date),
        false
    )
    {%- else -%} true {%- endif %} as is_met
from {{ ref('stg_emr__patients') }} as patients
left join {{ ref('int_time_zero') }} as time_zero on patients.patient_key = time_zero.patient_key
