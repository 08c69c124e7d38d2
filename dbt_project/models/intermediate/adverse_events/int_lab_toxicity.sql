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

sided as (
    select
        worst.patient_key,
        worst.analyte,
        worst.period,
        bounds.version,
        bounds.chosen,
        bounds.direction,
        bounds.grades,
        case when bounds.direction = 'below' then worst.lowest else worst.highest end as worst,
        case bounds.version when 5 then worst.days_at_grade_4_v5 else worst.days_at_grade_4_v6 end as days_at_grade_4
    from {{ ref('int_worst_labs') }} as worst
    inner join {{ ref('stg_emr__patients') }} as patients on worst.patient_key = patients.patient_key
    inner join bounds on worst.analyte = bounds.analyte and coalesce(patients.sex, 'unknown') = bounds.sex
),

graded as (
    select
        patient_key,
        analyte,
        period,
        version,
        chosen,
        worst,
        days_at_grade_4,
        coalesce(list_max(list_transform(
            list_filter(grades, lambda one: worst.open_order = 0 and case
                when direction = 'below'
                    then worst.value < one.bound or (worst.value = one.bound and not worst.comparator_order)
                else worst.value > one.bound or (worst.value = one.bound and worst.comparator_order)
            end),
            lambda one: one.grade
        )), 0) as grade
    from sided
),

after_infusion as (
    select
        graded.*,
        files.source_feed,
        files.source_extract,
        files.source_file,
        graded.worst.source_row
    from graded
    inner join {{ ref('int_lab_files') }} as files on graded.worst.file_number = files.file_number
    where graded.period = 'after'
)

select
    after_infusion.patient_key,
    after_infusion.analyte,
    after_infusion.version,
    after_infusion.chosen,
    after_infusion.grade as worst_grade,
    after_infusion.worst.value as worst_value,
    abs(after_infusion.worst.day_order) as worst_day,
    after_infusion.days_at_grade_4,
    baseline.grade as baseline_grade,
    after_infusion.grade > coalesce(baseline.grade, 0) as treatment_emergent,
    {{ evidence_list('after_infusion.') }} as evidence
from after_infusion
left join graded as baseline
    on
        after_infusion.patient_key = baseline.patient_key
        and after_infusion.analyte = baseline.analyte
        and after_infusion.version = baseline.version
        and baseline.period = 'before'
