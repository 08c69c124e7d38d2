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

candidates as (
    select
        origins.patient_key,
        origins.endpoint,
        origins.origin_date,
        origins.date_precision as origin_precision,
        origins.evidence as origin_evidence,
        sources.source,
        sources.role,
        sources.event_kind,
        sources.priority,
        sources.reason,
        greatest(happenings.happened_on, origins.origin_date) as ended_on,
        happenings.date_precision,
        happenings.evidence
    from {{ ref('int_endpoint_origins') }} as origins
    inner join active_sources as sources on origins.endpoint = sources.endpoint
    inner join {{ ref('int_endpoint_happenings') }} as happenings
        on origins.patient_key = happenings.patient_key and sources.source = happenings.source
)

select
    patient_key,
    endpoint,
    origin_date,
    ended_on,
    {{ days_between('origin_date', 'ended_on') }} as time_days,
    role = 'event' or event_kind = 'last_contact' as event,
    event_kind,
    reason,
    date_precision,
    origin_precision,
    date_precision <> 'day' or origin_precision <> 'day' as date_imputed,
    {{ merge_evidence(['origin_evidence', 'evidence']) }} as evidence
from candidates
qualify row_number() over (
    partition by patient_key, endpoint order by role = 'last', ended_on, priority
) = 1
