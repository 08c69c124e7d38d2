-- Visits: alive or dead, in remission or relapsed.
-- One row per patient and visit.
select
    patient_key,
    {{ typed('follow_ups', 'visited_on') }},
    {{ typed('follow_ups', 'vital_status') }},
    {{ typed('follow_ups', 'death_on') }},
    {{ typed('follow_ups', 'cause_of_death') }},
    {{ typed('follow_ups', 'disease_status') }},
    {{ typed('follow_ups', 'relapse_on') }},
    {{ typed('follow_ups', 'relapse_site') }},
    {{ evidence_columns('follow_ups') }}
from {{ lake_relation('follow_ups') }}
where {{ until_cutoff('follow_ups') }}
    and {{ of_known_patient() }}
