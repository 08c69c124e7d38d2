-- Follow-up visits after the data cut-off, typed: everything else leaves them out (staging), and they are counted in
-- quality.ignored_rows. One row per visit after the cut-off.

select
    patient_key,
    {{ typed('follow_ups', 'visited_on') }},
    {{ typed('follow_ups', 'vital_status') }},
    {{ typed('follow_ups', 'death_on') }},
    {{ evidence_columns('follow_ups') }}
from {{ lake_relation('follow_ups') }}
where not {{ until_cutoff('follow_ups') }} and {{ of_known_patient() }}
