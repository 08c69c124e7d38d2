-- Eligible: followed up, that is seen at a visit on or after the infusion, known from any clinical row after it, or known
-- to have died.
-- Always applied: without it no outcome has a time. One row per patient known.
with visited as (
    select distinct follow_ups.patient_key
    from {{ ref('stg_emr__follow_ups') }} as follow_ups
    inner join {{ ref('int_time_zero') }} as time_zero on follow_ups.patient_key = time_zero.patient_key
    where follow_ups.visited_on >= time_zero.infusion_date
),

seen_later as (
    select contact.patient_key
    from {{ ref('int_last_contact') }} as contact
    inner join {{ ref('int_time_zero') }} as time_zero on contact.patient_key = time_zero.patient_key
    where contact.last_contact_date > time_zero.infusion_date or contact.death_date is not null
)

select
    patients.patient_key,
    visited.patient_key is not null or seen_later.patient_key is not null as is_met
from {{ ref('stg_emr__patients') }} as patients
left join visited on patients.patient_key = visited.patient_key
left join seen_later on patients.patient_key = seen_later.patient_key
