-- Lowest and highest value of each graded analyte before and after the infusion. `before`: the baseline window up to the
-- day of infusion; `after`: from study day 1 to the end of the toxicity window and before a first transplant. Of equal
-- values the one with "<" is the lower, the one with ">" the higher, then the earlier. One scan of the long feed.
-- One row per patient, analyte and period.

with in_period as (
    select
        labs.*,
        case when labs.study_day >= {{ rule_constant('first_day_after_infusion') }} then 'after' else 'before' end as period
    from {{ ref('int_graded_labs') }} as labs
    left join {{ ref('int_allo_transplants') }} as transplants
        on labs.patient_key = transplants.patient_key and transplants.first_after_infusion
    where
        labs.study_day between -{{ study('baseline_window_days') }} and {{ study('hematologic_toxicity_window_days') }}
        and (transplants.hsct_date is null or labs.collected_on < transplants.hsct_date)
)

select
    patient_key,
    analyte,
    period,
    min(struct_pack(
        value := value,
        comparator_order := case comparator when '<' then 0 else 1 end,
        study_day := study_day,
        evidence := {{ evidence_struct() }}
    )) as lowest,
    max(struct_pack(
        value := value,
        comparator_order := case comparator when '>' then 1 else 0 end,
        earlier := -study_day,
        evidence := {{ evidence_struct() }}
    )) as highest,
    count(*) as n_values
from in_period
group by patient_key, analyte, period
