-- Patients who have no follow-up visit from the infusion on. One row per such patient.
-- A table of its own: planned as a part of int_last_clinical_rows, every feed was hashed to look for these few.

select patient_key
from {{ ref('int_time_zero') }}
where patient_key not in (select visits.patient_key from {{ ref('int_last_visits') }} as visits)
