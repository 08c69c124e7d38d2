-- CTCAE grade of each blood and liver analyte under versions 5 and 6: worst of days 1 to the end of the toxicity window,
-- beside the baseline grade; a bound that leaves it open raises no grade; treatment-emergent where worse than baseline (no baseline value counts as grade 0). 0 = none.
-- One row per patient, analyte and CTCAE version with a value after the infusion.
-- Each different reading is graded once, not each patient's: a list of bounds is slow to go through, and readings repeat.

with bounds as (
    select
        version,
        analyte,
        sex,
        direction = 'below' as is_lower_worse,
        chosen,
        list(struct_pack(grade := grade, bound := bound) order by grade) as grades
    from {{ ref('int_lab_bounds') }}
    group by version, analyte, sex, direction, chosen
),

after_infusion as (
    select
        after.patient_key,
        after.analyte,
        coalesce(patients.sex, 'unknown') as sex,
        after.lowest,
        after.highest,
        after.days_at_grade_4_v5,
        after.days_at_grade_4_v6,
        before.lowest as lowest_before,
        before.highest as highest_before
    from {{ ref('int_worst_labs') }} as after
    inner join {{ ref('stg_emr__patients') }} as patients on after.patient_key = patients.patient_key
    left join {{ ref('int_worst_labs') }} as before
        on after.patient_key = before.patient_key and after.analyte = before.analyte and before.period = 'before'
    where after.period = 'after'
),

sided as (
    select
        labs.patient_key,
        labs.analyte,
        labs.sex,
        bounds.version,
        bounds.chosen,
        case when bounds.is_lower_worse then labs.lowest else labs.highest end as worst,
        case when bounds.is_lower_worse then labs.lowest_before else labs.highest_before end as baseline,
        case bounds.version when 5 then labs.days_at_grade_4_v5 else labs.days_at_grade_4_v6 end as days_at_grade_4
    from after_infusion as labs
    inner join bounds on labs.analyte = bounds.analyte and labs.sex = bounds.sex
),

readings as (
    {%- for reading in ['worst', 'baseline'] %}
    select
        version,
        analyte,
        sex,
        {{ reading }}.value as value,
        {{ reading }}.open_order as open_order,
        {{ reading }}.comparator_order as comparator_order
    from sided
    {{ 'union' if not loop.last }}
    {%- endfor %}
),

graded as (
    select
        readings.*,
        coalesce(list_max(list_transform(
            list_filter(bounds.grades, lambda one: readings.open_order = 0 and case
                when bounds.is_lower_worse
                    then readings.value < one.bound or (readings.value = one.bound and not readings.comparator_order)
                else readings.value > one.bound or (readings.value = one.bound and readings.comparator_order)
            end),
            lambda one: one.grade
        )), 0) as grade
    from readings
    inner join bounds
        on readings.version = bounds.version and readings.analyte = bounds.analyte and readings.sex = bounds.sex
)

select
    sided.patient_key,
    sided.analyte,
    sided.version,
    sided.chosen,
    worst.grade as worst_grade,
    sided.worst.value as worst_value,
    abs(sided.worst.day_order) as worst_day,
    sided.days_at_grade_4,
    baseline.grade as baseline_grade,
    worst.grade > coalesce(baseline.grade, 0) as treatment_emergent,
    list_value({{ numbered_evidence('sided.worst') }}) as evidence
from sided
inner join {{ ref('int_lab_files') }} as files on sided.worst.file_number = files.file_number
{%- for reading in ['worst', 'baseline'] %}
{{ 'inner' if reading == 'worst' else 'left' }} join graded as {{ reading }}
    on
        sided.version = {{ reading }}.version
        and sided.analyte = {{ reading }}.analyte
        and sided.sex = {{ reading }}.sex
        and sided.{{ reading }}.value = {{ reading }}.value
        and sided.{{ reading }}.open_order = {{ reading }}.open_order
        and sided.{{ reading }}.comparator_order = {{ reading }}.comparator_order
{%- endfor %}
