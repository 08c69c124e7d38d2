-- CRS grade of a patient as recorded and as derived by Lee 2014 and ASTCT 2019; `chosen` is the study's. 0 = none, NULL =
-- can't be told (the feed is not delivered, or recorded without a grade).
-- One row per patient with an infusion and rule set.

with recorded as (
    select
        time_zero.patient_key,
        'recorded' as rule_set,
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
),

{%- for rule_set, scale in [('lee2014', 'Lee2014'), ('astct2019', 'ASTCT2019')] %}

{{ rule_set }} as (
    select
        time_zero.patient_key,
        '{{ rule_set }}' as rule_set,
        case when {{ feed_delivered('vital_signs') }} then coalesce(derived.{{ rule_set }}, 0) end as crs_grade,
        case when derived.patient_key is not null then '{{ scale }}' end as grading_scale,
        derived.onset_on as crs_onset_date,
        derived.last_day_on as crs_end_date,
        coalesce(derived.evidence, []) as evidence
    from {{ ref('int_time_zero') }} as time_zero
    left join {{ ref('int_crs_derived') }} as derived on time_zero.patient_key = derived.patient_key
),
{%- endfor %}

rule_sets as (
    select * from recorded
    union all
    select * from lee2014
    union all
    select * from astct2019
)

select
    rule_sets.*,
    rule_set = '{{ study('rules.crs') }}' as chosen
from rule_sets
