-- How far an imputed date may move an outcome: the shortest and longest time that the year or month in the source allows,
-- between infusion and data cut-off. One row per included patient and time-to-event endpoint that rests on an imputed date.

with imputed as (
    select
        outcomes.*,
        {%- for column, precision in [('origin_date', 'origin_precision'), ('ended_on', 'date_precision')] %}
        case outcomes.{{ precision }}
            when 'year' then date_trunc('year', outcomes.{{ column }})
            when 'month' then date_trunc('month', outcomes.{{ column }})
            else outcomes.{{ column }}
        end as {{ column }}_earliest,
        least(
            case outcomes.{{ precision }}
                when 'year' then date_trunc('year', outcomes.{{ column }}) + interval 1 year - interval 1 day
                when 'month' then date_trunc('month', outcomes.{{ column }}) + interval 1 month - interval 1 day
                else outcomes.{{ column }}
            end,
            coalesce({{ data_cutoff() }}, outcomes.{{ column }})
        ) as {{ column }}_latest{{ "," if not loop.last }}
        {%- endfor %}
    from {{ ref('int_time_to_event') }} as outcomes
    inner join {{ ref('int_cohort') }} as cohort on outcomes.patient_key = cohort.patient_key
    where cohort.included and outcomes.date_imputed
)

select
    patient_key,
    endpoint,
    event_kind,
    cast(time_days as integer) as time_days,
    cast(greatest({{ days_between('origin_date_latest', 'ended_on_earliest') }}, 0) as integer) as shortest_days,
    cast({{ days_between('origin_date_earliest', 'ended_on_latest') }} as integer) as longest_days,
    evidence
from imputed
order by patient_key, endpoint
