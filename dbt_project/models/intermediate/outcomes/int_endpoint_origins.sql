-- Day 0 of each time-to-event endpoint: the infusion, or the first complete remission (seed endpoints). A patient who
-- never reached the origin has no row for that endpoint. One row per patient and time-to-event endpoint.

with origins as (
    select patient_key, 'infusion' as origin, infusion_date as origin_date, infused_at_precision as date_precision, evidence
    from {{ ref('int_time_zero') }}
    union all
    select patient_key, 'complete_remission', complete_remission_date, date_precision, evidence
    from {{ ref('int_first_complete_remission') }}
)

select
    origins.patient_key,
    endpoints.endpoint,
    origins.origin_date,
    origins.date_precision,
    origins.evidence
from origins
inner join {{ ref('endpoints') }} as endpoints on origins.origin = endpoints.origin
