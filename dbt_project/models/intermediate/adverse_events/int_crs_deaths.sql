-- Death of CRS: the recorded cause of death names it (seed adverse_event_concepts). One row per such patient.

select distinct
    deaths.patient_key,
    deaths.death_date,
    {{ merge_evidence(['deaths.evidence', 'deaths.cause_evidence']) }} as evidence
from {{ ref('int_deaths') }} as deaths
inner join {{ ref('adverse_event_concepts') }} as concepts
    on concepts.concept = 'crs' and contains(lower(deaths.cause_of_death), concepts.term)
