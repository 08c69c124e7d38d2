-- Every endpoint of every included patient. Binary rows carry `achieved`; time-to-event rows carry time and event.
-- `evidence` holds the source rows that decided it, the infusion's (or remission's) row at least.
-- One row per included patient and endpoint; RFS and DOR only after a complete remission.

with binary_endpoints as (
    select
        outcomes.patient_key,
        outcomes.endpoint,
        'binary' as kind,
        outcomes.achieved,
        cast(null as integer) as time_days,
        cast(null as double) as time_months,
        cast(null as boolean) as event,
        outcomes.event_kind,
        outcomes.event_date,
        cast(null as varchar) as reason,
        false as date_imputed,
        {{ merge_sorted_evidence('time_zero.evidence', 'outcomes.evidence') }} as evidence
    from {{ ref('int_binary_endpoints') }} as outcomes
    inner join {{ ref('int_time_zero') }} as time_zero on outcomes.patient_key = time_zero.patient_key
),

time_to_event as (
    select
        patient_key,
        endpoint,
        'time_to_event' as kind,
        cast(null as boolean) as achieved,
        cast(time_days as integer) as time_days,
        time_days / {{ rule_constant('days_per_month') }} as time_months,
        event,
        event_kind,
        ended_on as event_date,
        reason,
        date_imputed,
        evidence
    from {{ ref('int_time_to_event') }}
),

every_endpoint as (
    select * from binary_endpoints
    union all
    select * from time_to_event
)

select every_endpoint.*
from every_endpoint
inner join {{ ref('int_cohort') }} as cohort on every_endpoint.patient_key = cohort.patient_key
where cohort.included
order by every_endpoint.patient_key, every_endpoint.endpoint
