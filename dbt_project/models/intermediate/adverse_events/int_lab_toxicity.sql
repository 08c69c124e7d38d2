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

people as (
    select
        time_zero.patient_number,
        time_zero.patient_key,
        coalesce(patients.sex, 'unknown') as sex
    from {{ ref('int_time_zero') }} as time_zero
    inner join {{ ref('stg_emr__patients') }} as patients on time_zero.patient_key = patients.patient_key
),

sided as (
    select
        people.patient_key,
        labs.analyte,
        people.sex,
        bounds.version,
        bounds.chosen,
        bounds.is_lower_worse,
        case when bounds.is_lower_worse then labs.lowest_after else labs.highest_after end as worst,
        case when bounds.is_lower_worse then labs.lowest_before else labs.highest_before end as baseline,
        case bounds.version when 5 then labs.days_at_grade_4_v5 else labs.days_at_grade_4_v6 end as days_at_grade_4
    from {{ ref('int_worst_labs') }} as labs
    inner join people on labs.patient_number = people.patient_number
    inner join bounds on labs.analyte = bounds.analyte and people.sex = bounds.sex
    where labs.lowest_after is not null
),

readings as (
    {%- for reading in ['worst', 'baseline'] %}
    select
        version,
        analyte,
        sex,
        {{ graded_part(reading) }} as reading
    from sided
    {{ 'union' if not loop.last }}
    {%- endfor %}
),

opened as (
    select
        readings.*,
        bounds.is_lower_worse,
        bounds.grades,
        {{ is_open_part('readings.reading', 'bounds.is_lower_worse') }} as is_open,
        {{ value_of_part('readings.reading') }} as value,
        {{ comparator_of_part('readings.reading') }} as comparator_order
    from readings
    inner join bounds
        on readings.version = bounds.version and readings.analyte = bounds.analyte and readings.sex = bounds.sex
    where readings.reading is not null
),

graded as (
    select
        opened.* exclude (grades),
        coalesce(list_max(list_transform(
            list_filter(opened.grades, lambda one: not opened.is_open and case
                when opened.is_lower_worse
                    then opened.value < one.bound or (opened.value = one.bound and not opened.comparator_order)
                else opened.value > one.bound or (opened.value = one.bound and opened.comparator_order)
            end),
            lambda one: one.grade
        )), 0) as grade
    from opened
)

select
    sided.patient_key,
    sided.analyte,
    sided.version,
    sided.chosen,
    worst.grade as worst_grade,
    worst.value as worst_value,
    {{ packed_study_day('sided.worst', 'sided.is_lower_worse') }} as worst_day,
    sided.days_at_grade_4,
    baseline.grade as baseline_grade,
    worst.grade > coalesce(baseline.grade, 0) as treatment_emergent,
    list_value({{ numbered_evidence(source_row=packed_source_row('sided.worst')) }}) as evidence
from sided
inner join {{ ref('int_lab_files') }} as files on {{ packed_file_number('sided.worst') }} = files.file_number
{%- for reading in ['worst', 'baseline'] %}
{{ 'inner' if reading == 'worst' else 'left' }} join graded as {{ reading }}
    on
        sided.version = {{ reading }}.version
        and sided.analyte = {{ reading }}.analyte
        and sided.sex = {{ reading }}.sex
        and {{ graded_part('sided.' ~ reading) }} = {{ reading }}.reading
{%- endfor %}
