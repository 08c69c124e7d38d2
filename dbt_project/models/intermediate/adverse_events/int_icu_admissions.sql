-- Intensive care with the CAR-T course: a stay in the icu that overlaps the recorded CRS, or begins from the infusion to 30
-- days after it. A stay without a discharge is still running. One row per such stay.

with icu_stays as (
    select
        stays.patient_key,
        stays.encounter_id,
        cast(stays.admitted_at as date) as admitted_on,
        cast(stays.discharged_at as date) as discharged_on,
        {{ days_between('time_zero.infusion_date', 'cast(stays.admitted_at as date)') }} as study_day,
        coalesce(
            cast(stays.admitted_at as date) <= crs.crs_end_date
            and coalesce(cast(stays.discharged_at as date), crs.crs_onset_date) >= crs.crs_onset_date,
            false
        ) as overlaps_crs,
        stays.source_feed,
        stays.source_extract,
        stays.source_file,
        stays.source_row
    from {{ ref('stg_emr__encounters') }} as stays
    inner join {{ ref('int_time_zero') }} as time_zero on stays.patient_key = time_zero.patient_key
    left join {{ ref('int_crs_recorded') }} as crs on stays.patient_key = crs.patient_key
    where stays.care_unit = 'icu'
)

select *
from icu_stays
where overlaps_crs or (study_day >= 0 and study_day <= {{ rule_constant('icu_within_days') }})
