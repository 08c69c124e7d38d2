-- Blood pressure and oxygen during a CRS episode: hypotension is a systolic pressure below 70 mmHg plus 2 for each
-- year of age on that day, from 10 years and at unknown age below 90 (PALS); oxygen is the highest flow given.
-- One row per patient with a CRS episode and such a sign.
{{ config(pre_hook="{{ joins_as_written() }}", post_hook="{{ joins_by_estimate() }}") }}

with in_episode as (
    select
        vitals.patient_key,
        lower(vitals.sign) as sign,
        vitals.value,
        date_sub('year', patients.birth_date, cast(vitals.measured_at as date)) as age_years,
        {{ evidence_struct('vitals.') }} as evidence
    from {{ ref('stg_emr__vital_signs') }} as vitals
    inner join {{ ref('int_crs_episodes') }} as episodes on vitals.patient_key = episodes.patient_key
    inner join {{ ref('stg_emr__patients') }} as patients on vitals.patient_key = patients.patient_key
    where
        lower(vitals.sign) in ('systolic_bp', 'oxygen_flow')
        and vitals.value is not null
        and cast(vitals.measured_at as date) >= episodes.onset_on
        and cast(vitals.measured_at as date) <= episodes.last_day_on
),

signs as (
    select
        *,
        sign = 'systolic_bp' and value < least(
            {{ rule_constant('hypotension_adult') }},
            {{ rule_constant('hypotension_newborn') }} + {{ rule_constant('hypotension_per_year') }} * age_years
        ) as hypotensive
    from in_episode
)

select
    patient_key,
    bool_or(hypotensive) as hypotension,
    max(value) filter (where sign = 'oxygen_flow') as oxygen_flow,
    list_sort(list(evidence)) as evidence
from signs
where hypotensive or sign = 'oxygen_flow'
group by patient_key
