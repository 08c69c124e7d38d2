-- Every dated clinical event of a patient with an infusion, with the source row that dates it.
-- One row per patient, event type, day, detail and source row.

select
    patient_key,
    event_type,
    event_date,
    study_day,
    value,
    grade,
    detail,
    source_feed,
    source_extract,
    source_file,
    source_row
from {{ ref('int_clinical_events') }}
order by
    patient_key, event_type, event_date, study_day, value, grade, detail, source_feed, source_extract, source_file, source_row
