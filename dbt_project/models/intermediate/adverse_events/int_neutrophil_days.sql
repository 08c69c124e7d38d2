-- The lowest neutrophil count of each day from the infusion to the end of late ICAHT and before a first transplant (NULL
-- where the day has nothing but counts such as ">0.3", which show no neutropenia), with the days it speaks for: its own and
-- the following up to three in all, unless the next count or the end of the period comes first.
-- A narrow work table, not published: patient and file stand in it as numbers (int_time_zero, int_lab_files).
-- One row per patient and day with a count.
{{ config(database='unpublished', pre_hook="{{ joins_as_written() }}", post_hook="{{ joins_by_estimate() }}") }}

with people as (
    select
        time_zero.patient_number,
        transplants.hsct_date
    from {{ ref('int_time_zero') }} as time_zero
    left join {{ ref('int_allo_transplants') }} as transplants
        on time_zero.patient_key = transplants.patient_key and transplants.first_after_infusion
),

daily as (
    select
        labs.patient_number,
        labs.study_day,
        case when labs.study_day <= {{ rule_constant('icaht_early_last_day') }} then 'early' else 'late' end as period,
        min(labs.value) filter (where not {{ is_open_above('labs.comparator') }}) as neutrophils,
        min(struct_pack(
            open_order := {{ is_open_above('labs.comparator') }},
            value := labs.value,
            file_number := labs.file_number,
            source_row := labs.source_row
        )) as lowest
    from {{ ref('int_graded_labs') }} as labs
    inner join people on labs.patient_number = people.patient_number
    where
        labs.analyte = 'neutrophils'
        and labs.study_day >= 0
        and labs.study_day <= {{ rule_constant('icaht_late_last_day') }}
        and (people.hsct_date is null or labs.collected_on < people.hsct_date)
    group by labs.patient_number, labs.study_day
)

select
    patient_number,
    study_day,
    period,
    neutrophils,
    lowest.file_number,
    lowest.source_row,
    least(
        coalesce(
            lead(study_day) over (partition by patient_number, period order by study_day),
            case period when 'early' then {{ rule_constant('icaht_early_last_day') }} else study_day end + 1
        ) - study_day,
        {{ rule_constant('icaht_carry_days') }}
    ) as days_covered
from daily
