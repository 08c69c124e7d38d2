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

decisive as (
    select
        origins.patient_key,
        origins.endpoint,
        origins.origin_date,
        origins.date_precision as origin_precision,
        sources.source,
        sources.role,
        sources.event_kind,
        sources.reason,
        greatest(happenings.happened_on, origins.origin_date) as ended_on,
        happenings.date_precision
    from {{ ref('int_endpoint_origins') }} as origins
    inner join active_sources as sources on origins.endpoint = sources.endpoint
    inner join {{ ref('int_endpoint_happenings') }} as happenings
        on origins.patient_key = happenings.patient_key and sources.source = happenings.source
    -- Evidence joins the one row that is left: carried through the choice it would cost many times the memory.
    qualify row_number() over (
        partition by origins.patient_key, origins.endpoint
        order by sources.role = 'last', greatest(happenings.happened_on, origins.origin_date), sources.priority
    ) = 1
)

select
    decisive.patient_key,
    decisive.endpoint,
    decisive.origin_date,
    decisive.ended_on,
    {{ days_between('decisive.origin_date', 'decisive.ended_on') }} as time_days,
    decisive.role = 'event' or decisive.event_kind = 'last_contact' as event,
    decisive.event_kind,
    decisive.reason,
    decisive.date_precision,
    decisive.origin_precision,
    decisive.date_precision <> 'day' or decisive.origin_precision <> 'day' as date_imputed,
    {{ merge_evidence(['origins.evidence', 'happenings.evidence']) }} as evidence
from decisive
inner join {{ ref('int_endpoint_origins') }} as origins
    on decisive.patient_key = origins.patient_key and decisive.endpoint = origins.endpoint
inner join {{ ref('int_endpoint_happenings') }} as happenings
    on decisive.patient_key = happenings.patient_key and decisive.source = happenings.source
