-- Lowest and highest value of each graded analyte before and after the infusion, and the days with a grade 4 value under
-- each CTCAE version. `before`: the baseline window up to the day of infusion; `after`: from study day 1 to the end of the
-- toxicity window and before a first transplant. A bound that leaves it open (">0.3" for the lowest, "<900" for the
-- highest) stands only where nothing else was measured (`open_order` not 0). Of equal values the one with "<" is the lower,
-- the one with ">" the higher, then the earlier. One scan of the long feed; the file of a value is carried as a number
-- (int_lab_files), since names in an aggregate of millions of groups cost gigabytes.
-- One row per patient, analyte and period.

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

in_period as (
    select
        labs.*,
        case when labs.study_day >= {{ rule_constant('first_day_after_infusion') }} then 'after' else 'before' end as period,
        {%- for version in [5, 6] %}
        case
            when grade_4.direction = 'below'
                then {{ is_below('labs.value', 'labs.comparator', 'grade_4.bound_v' ~ version) }}
            else {{ is_above('labs.value', 'labs.comparator', 'grade_4.bound_v' ~ version) }}
        end as at_grade_4_v{{ version }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ ref('int_graded_labs') }} as labs
    inner join {{ ref('stg_emr__patients') }} as patients on labs.patient_key = patients.patient_key
    left join grade_4 on labs.analyte = grade_4.analyte and coalesce(patients.sex, 'unknown') = grade_4.sex
    left join {{ ref('int_allo_transplants') }} as transplants
        on labs.patient_key = transplants.patient_key and transplants.first_after_infusion
    where
        labs.study_day >= -{{ study('baseline_window_days') }}
        and labs.study_day <= {{ study('hematologic_toxicity_window_days') }}
        and (transplants.hsct_date is null or labs.collected_on < transplants.hsct_date)
)

select
    patient_key,
    analyte,
    period,
    min(struct_pack(
        open_order := cast({{ is_open_above('comparator') }} as tinyint),
        value := value,
        comparator_order := comparator is distinct from '<',
        day_order := study_day,
        file_key := {{ file_key() }},
        source_row := source_row
    )) as lowest,
    max(struct_pack(
        open_order := -cast({{ is_open_below('comparator') }} as tinyint),
        value := value,
        comparator_order := comparator is not distinct from '>',
        day_order := -study_day,
        file_key := {{ file_key() }},
        source_row := source_row
    )) as highest,
    count(distinct study_day) filter (where at_grade_4_v5) as days_at_grade_4_v5,
    count(distinct study_day) filter (where at_grade_4_v6) as days_at_grade_4_v6
from in_period
group by patient_key, analyte, period
