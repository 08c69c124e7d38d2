-- Breathing support during a CRS episode: positive pressure (ventilator, CPAP) or high flow and masks (seed
-- respiratory_support). One row per patient with such a procedure in the episode.

select
    procedures.patient_key,
    bool_or(support.support = 'positive_pressure') as positive_pressure,
    bool_or(support.support = 'high_flow') as high_flow,
    list_sort(list({{ evidence_struct('procedures.') }})) as evidence
from {{ ref('stg_emr__procedures') }} as procedures
inner join {{ ref('respiratory_support') }} as support on lower(procedures.procedure) = support.procedure
inner join {{ ref('int_crs_episodes') }} as episodes on procedures.patient_key = episodes.patient_key
where procedures.performed_on >= episodes.onset_on and procedures.performed_on <= episodes.last_day_on
group by procedures.patient_key
