-- Adverse events as the hospital recorded them; a symptom of CRS points at its CRS.
-- One row per recorded adverse event.
select
    patient_key,
    {{ typed('adverse_events', 'event_id') }},
    {{ typed('adverse_events', 'parent_event_id') }},
    {{ typed('adverse_events', 'term') }},
    {{ typed('adverse_events', 'grade') }},
    {{ typed('adverse_events', 'grading_scale') }},
    {{ typed('adverse_events', 'started_on') }},
    {{ typed('adverse_events', 'ended_on') }},
    {{ typed('adverse_events', 'phase') }},
    {{ evidence_columns('adverse_events') }}
from {{ lake_relation('adverse_events') }}
where {{ until_cutoff('adverse_events') }}
    and {{ of_known_patient() }}
