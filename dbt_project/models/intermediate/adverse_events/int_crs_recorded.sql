-- Cytokine release syndrome as the physicians recorded it: worst grade, first and last day. A recorded CRS without a grade
-- leaves the grade unknown. One row per patient with a recorded CRS after the infusion.

select
    patient_key,
    max(grade) as crs_grade,
    first(grading_scale order by grade desc nulls last, started_on, {{ source_order() }}) as grading_scale,
    min(started_on) as crs_onset_date,
    max(coalesce(ended_on, started_on)) as crs_end_date,
    list_sort(list_distinct(list({{ evidence_struct() }}))) as evidence
from {{ ref('int_recorded_adverse_events') }}
where concept = 'crs' and phase = 'cart'
group by patient_key
