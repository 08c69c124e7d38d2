-- Visits after the data cut-off are ignored, but one that finds the patient alive, or dead only since then, proves that the
-- patient was alive at the cut-off. It is used only where no visit up to the cut-off exists (int_last_contact).
-- One row per patient with such a visit: the earliest one.

select
    patient_key,
    visited_on,
    {{ data_cutoff() }} as alive_on,
    {{ evidence_list() }} as evidence
from {{ ref('int_late_visits') }}
where
    death_on > {{ data_cutoff() }}
    or (death_on is null and coalesce(vital_status, 'alive') = 'alive')
qualify row_number() over (partition by patient_key order by visited_on, {{ source_order() }}) = 1
