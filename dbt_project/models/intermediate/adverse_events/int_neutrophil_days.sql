-- The lowest neutrophil count of each day from the infusion to the end of late ICAHT and before a first transplant (NULL
-- where the day has nothing but counts such as ">0.3", which show no neutropenia), with the days it speaks for: its own and the following up to three in all, unless the next count or the end of the period
-- comes first. One row per patient and day with a count.

with daily as (
    select
        labs.patient_key,
        labs.study_day,
        case when labs.study_day <= {{ rule_constant('icaht_early_last_day') }} then 'early' else 'late' end as period,
        min(labs.value) filter (where not {{ is_open_above('labs.comparator') }}) as neutrophils,
        arg_min(
            {{ evidence_struct('labs.') }},
            row({{ is_open_above('labs.comparator') }}, labs.value, {{ source_order('labs.') }})
        ) as evidence
    from {{ ref('int_graded_labs') }} as labs
    left join {{ ref('int_allo_transplants') }} as transplants
        on labs.patient_key = transplants.patient_key and transplants.first_after_infusion
    where
        labs.analyte = 'neutrophils'
        and labs.study_day >= 0
        and labs.study_day <= {{ rule_constant('icaht_late_last_day') }}
        and (transplants.hsct_date is null or labs.collected_on < transplants.hsct_date)
    group by labs.patient_key, labs.study_day
)

select
    *,
    least(
        coalesce(
            lead(study_day) over (partition by patient_key, period order by study_day),
            case period when 'early' then {{ rule_constant('icaht_early_last_day') }} else study_day end + 1
        ) - study_day,
        {{ rule_constant('icaht_carry_days') }}
    ) as days_covered
from daily
