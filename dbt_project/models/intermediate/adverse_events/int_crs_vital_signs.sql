-- Blood pressure and oxygen during a CRS episode: hypotension is a systolic pressure below the limit of the patient's age
-- (seed hypotension_limits; unknown age: an adult's); oxygen is the highest flow given.
-- One row per patient with a CRS episode and such a sign.

with in_episode as (
    select
        vitals.patient_key,
        lower(vitals.sign) as sign,
        vitals.value,
        coalesce(date_sub('year', patients.birth_date, episodes.onset_on), 18) as age_years,
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
        in_episode.patient_key,
        in_episode.sign,
        in_episode.value,
        in_episode.evidence,
        in_episode.sign = 'systolic_bp'
        and in_episode.value < limits.base + limits.per_year * in_episode.age_years as hypotensive
    from in_episode
    inner join {{ ref('hypotension_limits') }} as limits
        on in_episode.age_years >= limits.age_from and in_episode.age_years < limits.age_below
)

select
    patient_key,
    bool_or(hypotensive) as hypotension,
    coalesce(max(value) filter (where sign = 'oxygen_flow'), 0) as oxygen_flow,
    list_concat(
        coalesce(list_value(min(evidence) filter (where hypotensive)), []),
        coalesce(list_value(arg_max(evidence, (value, evidence)) filter (where sign = 'oxygen_flow')), [])
    ) as evidence
from signs
where hypotensive or (sign = 'oxygen_flow' and value > 0)
group by patient_key
