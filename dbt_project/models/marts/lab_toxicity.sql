-- CTCAE grades of blood and liver values under versions 5 and 6 side by side; `chosen` is the study's version.
-- One row per patient, analyte and version with a value after the infusion.

select
    patient_key,
    analyte,
    cast(version as integer) as version,
    chosen,
    cast(worst_grade as integer) as worst_grade,
    worst_value,
    cast(worst_day as integer) as worst_day,
    cast(days_at_grade_4 as integer) as days_at_grade_4,
    cast(baseline_grade as integer) as baseline_grade,
    treatment_emergent,
    evidence
from {{ ref('int_lab_toxicity') }}
order by patient_key, analyte, version
