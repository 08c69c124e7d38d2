-- What the hospital itself calls the disease: refractory or relapsed, by the words of seed diagnosis_labels in the text
-- of a diagnosis of the study's kind made up to the infusion. A text without the word says nothing (NULL). Kept beside the
-- derived flags, never in their place.
-- One row per patient with an infusion and a diagnosis text.
select
    diagnoses.patient_key,
    nullif(bool_or(contains(lower(diagnoses.description), labels.term) and labels.label = 'refractory'), false)
        as recorded_refractory,
    nullif(bool_or(contains(lower(diagnoses.description), labels.term) and labels.label = 'relapsed'), false)
        as recorded_relapsed
from {{ ref('stg_emr__diagnoses') }} as diagnoses
inner join {{ ref('int_time_zero') }} as time_zero on diagnoses.patient_key = time_zero.patient_key
cross join {{ ref('diagnosis_labels') }} as labels
where diagnoses.description is not null
    and coalesce(diagnoses.diagnosed_on <= time_zero.infusion_date, true)
    and {{ has_study_prefix('diagnoses.code', 'cohort.diagnosis_prefixes') }}
group by diagnoses.patient_key
