-- The episode in which signs count as CRS when it is derived: it begins with the first fever (38.0 degrees or more) from the
-- infusion to 30 days after it, and lasts 14 days. Fahrenheit is converted. One row per patient with such a fever.
-- Source: ASTCT 2019 (fever at onset); Lee 2014.

with temperatures as (
    select
        vitals.patient_key,
        cast(vitals.measured_at as date) as measured_on,
        vitals.measured_at,
        case when lower(vitals.unit) in ('f', '°f', 'degf', '[degf]') then (vitals.value - 32) / 1.8 else vitals.value end
            as celsius,
        time_zero.infusion_date,
        vitals.source_feed,
        vitals.source_extract,
        vitals.source_file,
        vitals.source_row
    from {{ ref('stg_emr__vital_signs') }} as vitals
    inner join {{ ref('int_time_zero') }} as time_zero on vitals.patient_key = time_zero.patient_key
    where lower(vitals.sign) = 'temperature'
)

select
    patient_key,
    measured_on as onset_on,
    measured_on + cast({{ rule_constant('crs_episode_days') }} as integer) as last_day_on,
    {{ evidence_list() }} as evidence
from temperatures
where
    celsius >= {{ rule_constant('fever_from_celsius') }}
    and measured_on >= infusion_date
    and {{ days_between('infusion_date', 'measured_on') }} <= {{ rule_constant('crs_onset_within_days') }}
qualify row_number() over (partition by patient_key order by measured_at, {{ source_order() }}) = 1
