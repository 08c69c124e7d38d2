-- The latest follow-up visit from the infusion to the data cut-off. One row per patient with such a visit.

select
    visits.patient_key,
    visits.visited_on,
    visits.visited_on_precision as date_precision,
    {{ evidence_list('visits.') }} as evidence
from {{ ref('stg_emr__follow_ups') }} as visits
inner join {{ ref('int_time_zero') }} as time_zero on visits.patient_key = time_zero.patient_key
where visits.visited_on >= time_zero.infusion_date
qualify row_number() over (
    partition by visits.patient_key order by visits.visited_on desc, {{ source_order('visits.') }}
) = 1
