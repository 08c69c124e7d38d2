-- What the hospital itself calls the disease, refractory or relapsed: by the words of seed diagnosis_labels in the text of
-- a diagnosis of the study's kind made up to the infusion (where the source profile lets that text through), or by its
-- code (ICD-10-CM C91.02 is ALL in relapse). A diagnosis without such a label says nothing (NULL). Kept beside the derived
-- flags, never in their place. One row per patient with an infusion and such a diagnosis.
with labelled as (
    select
        diagnoses.patient_key,
        labels.label
    from {{ ref('stg_emr__diagnoses') }} as diagnoses
    inner join {{ ref('int_time_zero') }} as time_zero on diagnoses.patient_key = time_zero.patient_key
    left join {{ ref('diagnosis_labels') }} as labels
        on (labels.found_in = 'description' and contains(lower(diagnoses.description), labels.text))
        or (labels.found_in = 'code' and starts_with(replace(upper(diagnoses.code), '.', ''), labels.text))
    where coalesce({{ earliest_day('diagnoses.diagnosed_on') }} <= time_zero.infusion_date, true)
        and {{ has_study_prefix('diagnoses.code', 'cohort.diagnosis_prefixes') }}
)

select
    patient_key,
    bool_or(true) filter (where label = 'refractory') as recorded_refractory,
    bool_or(true) filter (where label = 'relapsed') as recorded_relapsed
from labelled
group by patient_key
