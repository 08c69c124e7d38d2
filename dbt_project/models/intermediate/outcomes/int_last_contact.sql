-- Last contact: the day of death, else the latest follow-up visit from the infusion to the data cut-off. Without such a
-- visit: the cut-off, where a later visit proves that the patient lived then, else the latest dated clinical row (the
-- infusion at the least). `basis` says which. A visit after death adds nothing (`visit_after_death`).
-- One row per patient with an infusion. Source: study contract, FOLLOW_UP.

select
    time_zero.patient_key,
    coalesce(deaths.death_date, last_visits.visited_on, later.alive_on, clinical.latest_on) as last_contact_date,
    deaths.death_date,
    last_visits.visited_on as last_visit_date,
    case
        when deaths.patient_key is not null then 'death'
        when last_visits.patient_key is not null then 'visit'
        when later.patient_key is not null then 'alive at cut-off'
        else 'clinical row'
    end as basis,
    coalesce(deaths.date_precision, last_visits.date_precision, 'day') as date_precision,
    coalesce(last_visits.visited_on > deaths.death_date, false) as visit_after_death,
    coalesce(deaths.evidence, last_visits.evidence, later.evidence, clinical.evidence) as evidence
from {{ ref('int_time_zero') }} as time_zero
left join {{ ref('int_deaths') }} as deaths on time_zero.patient_key = deaths.patient_key
left join {{ ref('int_last_visits') }} as last_visits on time_zero.patient_key = last_visits.patient_key
left join {{ ref('int_alive_after_cutoff') }} as later on time_zero.patient_key = later.patient_key
left join {{ ref('int_last_clinical_rows') }} as clinical on time_zero.patient_key = clinical.patient_key
