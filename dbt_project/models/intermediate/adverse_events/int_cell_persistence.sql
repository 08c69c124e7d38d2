-- Persistence of the cells: vector copies and B cells in blood after the infusion, where a hospital records them (codes:
-- seed persistence_assays). B-cell aplasia is a share of B cells below 3% of lymphocytes; it lasts to the first later day
-- at or above it. One row per patient and measure.

with measured as (
    select
        labs.patient_key,
        assays.measure,
        {{ days_between('time_zero.infusion_date', 'cast(labs.collected_at as date)') }} as study_day,
        labs.value,
        assays.measure = 'b_cell_percent'
        and {{ is_below('labs.value', 'labs.value_comparator', rule_constant('b_cell_aplasia_below_percent')) }} as aplastic,
        {{ evidence_struct('labs.') }} as evidence
    from {{ ref('stg_emr__lab_results') }} as labs
    inner join {{ ref('persistence_assays') }} as assays on labs.loinc = assays.code
    inner join {{ ref('int_time_zero') }} as time_zero on labs.patient_key = time_zero.patient_key
    where labs.value is not null and cast(labs.collected_at as date) > time_zero.infusion_date
),

first_aplasia as (
    select patient_key, min(study_day) as aplasia_from_day
    from measured
    where aplastic
    group by patient_key
)

select
    measured.patient_key,
    measured.measure,
    count(*) as measurements,
    max(measured.value) as peak_value,
    arg_max(measured.study_day, (measured.value, -measured.study_day)) as peak_day,
    max(measured.study_day) filter (where measured.value > 0) as last_detected_day,
    max(measured.study_day) as last_measured_day,
    any_value(first_aplasia.aplasia_from_day) as aplasia_from_day,
    min(measured.study_day) filter (
        where not measured.aplastic and measured.study_day > first_aplasia.aplasia_from_day
    ) as aplasia_until_day,
    list_sort(list(measured.evidence)) as evidence
from measured
left join first_aplasia on measured.patient_key = first_aplasia.patient_key and measured.measure = 'b_cell_percent'
group by measured.patient_key, measured.measure
