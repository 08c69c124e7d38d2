-- ICAHT (EHA/EBMT). Early, days 0 to 30, by the days with neutrophils at or below 0.5 (severe) and 0.1 (profound): 1 from
-- one severe day, 2 from 7, 3 from 14 or 7 profound, 4 from 14 profound, or from 14 severe days with no count above 0.5.
-- Late, days 31 to 100: neutrophils at or below 1.5, 1.0, 0.5, 0.1 on two days at least. Bounds: seed icaht_grades.
-- 0 = none; NULL = no count in the period. One row per patient with a neutrophil count from the infusion on.

with early as (
    select
        patient_number,
        coalesce(sum(days_covered) filter (where neutrophils <= {{ rule_constant('severe_neutropenia_up_to') }}), 0)
            as severe_days,
        coalesce(sum(days_covered) filter (where neutrophils <= {{ rule_constant('profound_neutropenia_up_to') }}), 0)
            as profound_days,
        bool_and(coalesce(neutrophils <= {{ rule_constant('severe_neutropenia_up_to') }}, false)) as never_above,
        list(struct_pack(file_number := file_number, source_row := source_row)) as evidence
    from {{ ref('int_neutrophil_days') }}
    where period = 'early'
    group by patient_number
),

late as (
    select
        patient_number,
        list_sort(list(neutrophils) filter (where neutrophils is not null))[2] as second_lowest,
        list(struct_pack(file_number := file_number, source_row := source_row)) as evidence
    from {{ ref('int_neutrophil_days') }}
    where period = 'late'
    group by patient_number
),

early_grades as (
    select
        early.patient_number,
        max(case
            when grades.measure = 'severe_days' and early.severe_days >= grades.bound then grades.grade
            when grades.measure = 'severe_days_without_recovery' and early.never_above and early.severe_days >= grades.bound
                then grades.grade
            when grades.measure = 'profound_days' and early.profound_days >= grades.bound then grades.grade
            else 0
        end) as grade
    from early
    cross join {{ ref('icaht_grades') }} as grades
    where grades.period = 'early'
    group by early.patient_number
),

late_grades as (
    select
        late.patient_number,
        max(case when late.second_lowest <= grades.bound then grades.grade else 0 end) as grade
    from late
    cross join {{ ref('icaht_grades') }} as grades
    where grades.period = 'late'
    group by late.patient_number
),

gathered as (
    select
        coalesce(early.patient_number, late.patient_number) as patient_number,
        early_grades.grade as early_grade,
        early.severe_days,
        early.profound_days,
        late_grades.grade as late_grade,
        late.second_lowest as late_second_lowest,
        -- one count a day: none is in both
        list_sort(flatten([coalesce(early.evidence, []), coalesce(late.evidence, [])])) as evidence
    from early
    full outer join late on early.patient_number = late.patient_number
    left join early_grades on early.patient_number = early_grades.patient_number
    left join late_grades on late.patient_number = late_grades.patient_number
)

select
    time_zero.patient_key,
    gathered.early_grade,
    gathered.severe_days,
    gathered.profound_days,
    gathered.late_grade,
    gathered.late_second_lowest,
    {{ named_evidence('gathered.evidence') }} as evidence
from gathered
inner join {{ ref('int_time_zero') }} as time_zero on gathered.patient_number = time_zero.patient_number
cross join ({{ list_of_files(ref('int_lab_files')) }}) as named_files
