-- Last contact: the day of death, else the latest follow-up visit from the infusion to the data cut-off. Without such a
-- visit: the cut-off, where a later visit proves that the patient lived then; else the latest dated clinical row; else the
-- infusion itself. `basis` says which. A visit after death adds nothing (`visit_after_death`).
-- One row per patient with an infusion. Source: study contract, FOLLOW_UP.

with last_visits as (
    select
        visits.patient_key,
        visits.visited_on,
        visits.visited_on_precision,
        {{ evidence_list('visits.') }} as evidence
    from {{ ref('stg_emr__follow_ups') }} as visits
    inner join {{ ref('int_time_zero') }} as time_zero on visits.patient_key = time_zero.patient_key
    where visits.visited_on >= time_zero.infusion_date
    qualify row_number() over (
        partition by visits.patient_key order by visits.visited_on desc, {{ source_order('visits.') }}
    ) = 1
)

select
    time_zero.patient_key,
    coalesce(
        deaths.death_date, last_visits.visited_on, later.alive_on, clinical.latest_on, time_zero.infusion_date
    ) as last_contact_date,
    deaths.death_date,
    last_visits.visited_on as last_visit_date,
    case
        when deaths.patient_key is not null then 'death'
        when last_visits.patient_key is not null then 'visit'
        when later.patient_key is not null then 'alive at cut-off'
        when clinical.patient_key is not null then 'clinical row'
        else 'infusion'
    end as basis,
    coalesce(deaths.date_precision, last_visits.visited_on_precision, 'day') as date_precision,
    coalesce(last_visits.visited_on > deaths.death_date, false) as visit_after_death,
    coalesce(deaths.evidence, last_visits.evidence, later.evidence, clinical.evidence, time_zero.evidence) as evidence
from {{ ref('int_time_zero') }} as time_zero
left join {{ ref('int_deaths') }} as deaths on time_zero.patient_key = deaths.patient_key
left join last_visits on time_zero.patient_key = last_visits.patient_key
left join {{ ref('int_alive_after_cutoff') }} as later
    on time_zero.patient_key = later.patient_key and later.alive_on >= time_zero.infusion_date
left join {{ ref('int_last_clinical_rows') }} as clinical on time_zero.patient_key = clinical.patient_key
