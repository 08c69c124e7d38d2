-- Every dated clinical event of a patient with an infusion, with the source row that dates it.
-- One row per patient, event type, day, detail and source row.

select *
from {{ ref('int_clinical_events') }}
