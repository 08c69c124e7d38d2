-- Lowest and highest value of each graded analyte before and after the infusion, and the days after it with a grade 4 value
-- under each CTCAE version. `before`: the baseline window up to the day of infusion; `after`: from study day 1 to the end of
-- the toxicity window and before a first transplant. A bound that leaves it open (">0.3" for the lowest, "<900" for the
-- highest) stands only where nothing else was measured. Of equal values the one with "<" is the lower, the one with ">" the
-- higher, then the earlier; then the lowest is the first and the highest the last by extract, file and row.
-- A narrow work table, not published: a reading stands packed, as one number with its day, file and row
-- (macros/packed.sql), and so does the patient (int_time_zero). One row per patient and analyte.
{{ config(database='unpublished') }}

with grade_4 as (
    select
        analyte,
        sex,
        direction,
        max(bound) filter (where version = 5) as bound_v5,
        max(bound) filter (where version = 6) as bound_v6
    from {{ ref('int_lab_bounds') }}
    where grade = 4
    group by analyte, sex, direction
),

people as (
    select
        time_zero.patient_number,
        coalesce(patients.sex, 'unknown') as sex,
        transplants.hsct_date
    from {{ ref('int_time_zero') }} as time_zero
    inner join {{ ref('stg_emr__patients') }} as patients on time_zero.patient_key = patients.patient_key
    left join {{ ref('int_allo_transplants') }} as transplants
        on time_zero.patient_key = transplants.patient_key and transplants.first_after_infusion
),

in_period as (
    select
        labs.patient_number,
        labs.analyte,
        labs.study_day,
        labs.study_day >= {{ rule_constant('first_day_after_infusion') }} as is_after,
        {%- for version in [5, 6] %}
        case
            when grade_4.direction = 'below'
                then {{ is_below('labs.value', 'labs.comparator', 'grade_4.bound_v' ~ version) }}
            else {{ is_above('labs.value', 'labs.comparator', 'grade_4.bound_v' ~ version) }}
        end as at_grade_4_v{{ version }},
        {%- endfor %}
        {%- set parts = ['labs.value', 'labs.comparator', 'labs.study_day', 'labs.file_number', 'labs.source_row'] %}
        {{ packed_low(*parts) }} as low,
        {{ packed_high(*parts) }} as high
    from {{ ref('int_graded_labs') }} as labs
    inner join people on labs.patient_number = people.patient_number
    left join grade_4 on labs.analyte = grade_4.analyte and people.sex = grade_4.sex
    where
        labs.study_day >= -{{ study('baseline_window_days') }}
        and labs.study_day <= {{ study('hematologic_toxicity_window_days') }}
        and (people.hsct_date is null or labs.collected_on < people.hsct_date)
)

select
    patient_number,
    analyte,
    min(low) filter (where not is_after) as lowest_before,
    max(high) filter (where not is_after) as highest_before,
    min(low) filter (where is_after) as lowest_after,
    max(high) filter (where is_after) as highest_after,
    -- a list only where there are such days: count(distinct) would keep every group twice over
    {%- for version in [5, 6] %}
    coalesce(len(list_distinct(list(study_day) filter (where is_after and at_grade_4_v{{ version }}))), 0)
        as days_at_grade_4_v{{ version }}{{ ',' if not loop.last }}
    {%- endfor %}
from in_period
group by patient_number, analyte
