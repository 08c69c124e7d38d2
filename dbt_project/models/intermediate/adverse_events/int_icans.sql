-- ICANS by the lowest ICE score (a vital sign `ice_score`, 0 to 10) from the infusion to 30 days after it: 7-9 grade 1,
-- 3-6 grade 2, 0-2 grade 3 (seed icans_grades); 10 is none (NULL). One row per patient with an ICE score. Source: ASTCT 2019.

with lowest as (
    select
        vitals.patient_key,
        vitals.value as ice_score,
        {{ days_between('time_zero.infusion_date', 'cast(vitals.measured_at as date)') }} as study_day,
        {{ evidence_list('vitals.') }} as evidence
    from {{ ref('stg_emr__vital_signs') }} as vitals
    inner join {{ ref('int_time_zero') }} as time_zero on vitals.patient_key = time_zero.patient_key
    where
        lower(vitals.sign) = 'ice_score'
        and vitals.value is not null
        and cast(vitals.measured_at as date) >= time_zero.infusion_date
        and {{ days_between('time_zero.infusion_date', 'cast(vitals.measured_at as date)') }}
        <= {{ rule_constant('crs_onset_within_days') }}
    qualify row_number() over (
        partition by vitals.patient_key order by vitals.value, vitals.measured_at, {{ source_order('vitals.') }}
    ) = 1
)

select
    lowest.patient_key,
    lowest.ice_score,
    lowest.study_day,
    max(grades.grade) as grade,
    any_value(lowest.evidence) as evidence
from lowest
left join {{ ref('icans_grades') }} as grades on lowest.ice_score <= grades.ice_up_to
group by lowest.patient_key, lowest.ice_score, lowest.study_day
