-- CTCAE grade of each blood and liver analyte under versions 5 and 6: worst of days 1 to the end of the toxicity window,
-- beside the baseline grade; treatment-emergent where worse than baseline (no baseline value counts as grade 0). 0 = none.
-- One row per patient, analyte and CTCAE version with a value after the infusion.

with verdicts as (
    select
        worst.patient_key,
        worst.analyte,
        worst.period,
        bounds.version,
        bounds.chosen,
        bounds.grade,
        case
            when bounds.direction = 'below' then
                worst.lowest.value < bounds.bound
                or (worst.lowest.value = bounds.bound and not worst.lowest.comparator_order)
            else
                worst.highest.value > bounds.bound
                or (worst.highest.value = bounds.bound and worst.highest.comparator_order)
        end as reached,
        case when bounds.direction = 'below' then worst.lowest else worst.highest end as worst,
        case bounds.version when 5 then worst.days_at_grade_4_v5 else worst.days_at_grade_4_v6 end as days_at_grade_4
    from {{ ref('int_worst_labs') }} as worst
    inner join {{ ref('stg_emr__patients') }} as patients on worst.patient_key = patients.patient_key
    inner join {{ ref('int_lab_bounds') }} as bounds
        on worst.analyte = bounds.analyte and coalesce(patients.sex, 'unknown') = bounds.sex
),

graded as (
    select
        patient_key,
        analyte,
        period,
        version,
        any_value(chosen) as chosen,
        coalesce(max(grade) filter (where reached), 0) as grade,
        any_value(worst) as worst,
        any_value(days_at_grade_4) as days_at_grade_4
    from verdicts
    group by patient_key, analyte, period, version
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
    list_value(after_infusion.worst.evidence) as evidence
from graded as after_infusion
left join graded as baseline
    on
        after_infusion.patient_key = baseline.patient_key
        and after_infusion.analyte = baseline.analyte
        and after_infusion.version = baseline.version
        and baseline.period = 'before'
where after_infusion.period = 'after'
