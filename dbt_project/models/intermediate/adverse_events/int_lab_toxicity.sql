-- CTCAE grade of each blood and liver analyte under versions 5 and 6: worst of days 1 to the end of the toxicity window,
-- beside the baseline grade; a bound that leaves it open raises no grade; treatment-emergent where worse than baseline (no baseline value counts as grade 0). 0 = none.
-- One row per patient, analyte and CTCAE version with a value after the infusion.

with bounds as (
    select
        version,
        analyte,
        sex,
        direction,
        chosen,
        list(struct_pack(grade := grade, bound := bound) order by grade) as grades
    from {{ ref('int_lab_bounds') }}
    group by version, analyte, sex, direction, chosen
),

-- The baseline stands beside the value it belongs to before versions and bounds double the rows.
measured as (
    select
        after_infusion.patient_key,
        after_infusion.analyte,
        after_infusion.lowest,
        after_infusion.highest,
        after_infusion.days_at_grade_4_v5,
        after_infusion.days_at_grade_4_v6,
        baseline.lowest as baseline_lowest,
        baseline.highest as baseline_highest
    from {{ ref('int_worst_labs') }} as after_infusion
    left join {{ ref('int_worst_labs') }} as baseline
        on
            after_infusion.patient_key = baseline.patient_key
            and after_infusion.analyte = baseline.analyte
            and baseline.period = 'before'
    where after_infusion.period = 'after'
),

sided as (
    select
        measured.patient_key,
        measured.analyte,
        bounds.version,
        bounds.chosen,
        bounds.direction,
        bounds.grades,
        case when bounds.direction = 'below' then measured.lowest else measured.highest end as worst,
        case when bounds.direction = 'below' then measured.baseline_lowest else measured.baseline_highest end as baseline,
        case bounds.version when 5 then measured.days_at_grade_4_v5 else measured.days_at_grade_4_v6 end as days_at_grade_4
    from measured
    inner join {{ ref('stg_emr__patients') }} as patients on measured.patient_key = patients.patient_key
    inner join bounds on measured.analyte = bounds.analyte and coalesce(patients.sex, 'unknown') = bounds.sex
),

graded as (
    select
        patient_key,
        analyte,
        version,
        chosen,
        worst,
        days_at_grade_4,
        {%- for value, grade in [('worst', 'grade'), ('baseline', 'baseline_grade')] %}
        case
            when {{ value }} is not null
                then coalesce(list_max(list_transform(
                    list_filter(grades, lambda one: {{ value }}.open_order = 0 and case
                        when direction = 'below'
                            then
                                {{ value }}.value < one.bound
                                or ({{ value }}.value = one.bound and not {{ value }}.comparator_order)
                        else {{ value }}.value > one.bound or ({{ value }}.value = one.bound and {{ value }}.comparator_order)
                    end),
                    lambda one: one.grade
                )), 0)
        end as {{ grade }}{{ "," if not loop.last }}
        {%- endfor %}
    from sided
)

select
    graded.patient_key,
    graded.analyte,
    graded.version,
    graded.chosen,
    graded.grade as worst_grade,
    graded.worst.value as worst_value,
    abs(graded.worst.day_order) as worst_day,
    graded.days_at_grade_4,
    graded.baseline_grade,
    graded.grade > coalesce(graded.baseline_grade, 0) as treatment_emergent,
    list_value({{ numbered_evidence('graded.worst') }}) as evidence
from graded
inner join {{ ref('int_lab_files') }} as files on graded.worst.file_number = files.file_number
