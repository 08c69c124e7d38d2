-- Time to event, one rule for every endpoint: the earliest event, competing event or declared censoring (seed
-- endpoint_sources; on one day the smaller priority), else last contact. A rule that the study file switches on applies
-- only then. A last contact or transplant before the origin counts as the origin, so that no time is negative.
-- One row per patient and time-to-event endpoint.

{%- set switches = {'hsct.censor_at_hsct': study('hsct.censor_at_hsct')} %}

with active_sources as (
    select *
    from {{ ref('endpoint_sources') }}
    where
        applies_when is null
        {%- for switch, on in switches.items() %}
        or (applies_when = '{{ switch }}' and {{ 'true' if on else 'false' }})
        {%- endfor %}
),

-- Narrow, and the least of a packed number (macros/packed.sql) instead of row_number: evidence and words join the one
-- ending that is left.
earliest as (
    select
        origins.patient_key,
        origins.endpoint,
        min({{ packed_ending(
            "sources.role = 'last'", 'greatest(happenings.happened_on, origins.origin_date)', 'sources.priority'
        ) }}) as ending
    from {{ ref('int_endpoint_origins') }} as origins
    inner join active_sources as sources on origins.endpoint = sources.endpoint
    inner join {{ ref('int_endpoint_happenings') }} as happenings
        on origins.patient_key = happenings.patient_key and sources.source = happenings.source
    group by origins.patient_key, origins.endpoint
),

decisive as (
    select
        patient_key,
        endpoint,
        {{ packed_ended_on('ending') }} as ended_on,
        {{ packed_priority('ending') }} as priority
    from earliest
)

select
    decisive.patient_key,
    decisive.endpoint,
    origins.origin_date,
    decisive.ended_on,
    {{ days_between('origins.origin_date', 'decisive.ended_on') }} as time_days,
    sources.role = 'event' or sources.event_kind = 'last_contact' as event,
    sources.event_kind,
    sources.reason,
    happenings.date_precision,
    origins.date_precision as origin_precision,
    happenings.date_precision <> 'day' or origins.date_precision <> 'day' as date_imputed,
    {{ merge_sorted_evidence('origins.evidence', 'happenings.evidence') }} as evidence
from decisive
inner join active_sources as sources
    on decisive.endpoint = sources.endpoint and decisive.priority = sources.priority
inner join {{ ref('int_endpoint_origins') }} as origins
    on decisive.patient_key = origins.patient_key and decisive.endpoint = origins.endpoint
inner join {{ ref('int_endpoint_happenings') }} as happenings
    on decisive.patient_key = happenings.patient_key and sources.source = happenings.source
