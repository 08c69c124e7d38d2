-- CRS grades side by side: as recorded, and derived from vital signs, oxygen, pressors and liver values by Lee 2014 and by
-- ASTCT 2019, with whether each derived grade agrees with the recorded one. 0 = no CRS; NULL = can't be told.
-- One row per patient with an infusion.

select
    recorded.patient_key,
    cast(recorded.crs_grade as integer) as recorded_grade,
    recorded.grading_scale as recorded_scale,
    cast(lee.crs_grade as integer) as lee2014_grade,
    cast(astct.crs_grade as integer) as astct2019_grade,
    recorded.crs_onset_date as recorded_onset_date,
    lee.crs_onset_date as derived_onset_date,
    lee.crs_grade = recorded.crs_grade as lee2014_agrees,
    astct.crs_grade = recorded.crs_grade as astct2019_agrees,
    recorded.evidence as recorded_evidence,
    lee.evidence as derived_evidence
from {{ ref('int_crs_by_rule') }} as recorded
inner join {{ ref('int_crs_by_rule') }} as lee
    on recorded.patient_key = lee.patient_key and lee.rule_set = 'lee2014'
inner join {{ ref('int_crs_by_rule') }} as astct
    on recorded.patient_key = astct.patient_key and astct.rule_set = 'astct2019'
where recorded.rule_set = 'recorded'
order by recorded.patient_key
