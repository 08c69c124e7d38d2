-- CRS grade of a patient as recorded and as derived by Lee 2014 and ASTCT 2019; `chosen` is the study's. 0 = none, NULL =
-- can't be told (the feed is not delivered, or recorded without a grade).
-- One row per patient with an infusion and rule set.

select
    time_zero.patient_key,
    'recorded' as rule_set,
    {{ "true" if study('rules.crs') == 'recorded' else "false" }} as chosen,
    case
        when crs.patient_key is not null then crs.crs_grade
        when {{ feed_delivered('adverse_events') }} then 0
    end as crs_grade,
    crs.grading_scale,
    crs.crs_onset_date,
    crs.crs_end_date,
    coalesce(crs.evidence, []) as evidence
from {{ ref('int_time_zero') }} as time_zero
left join {{ ref('int_crs_recorded') }} as crs on time_zero.patient_key = crs.patient_key
