-- Eligible: no diagnosis with one of the excluded prefixes (lymphoma, second malignancy) made up to the infusion; where the
-- patient has no infusion, or the diagnosis no date, at any time. What is diagnosed later excludes nobody: a patient's
-- future decides nothing about who is studied. One row per patient known.
with excluded as (
    select distinct diagnoses.patient_key
    from {{ ref('stg_emr__diagnoses') }} as diagnoses
    left join {{ ref('int_time_zero') }} as time_zero on diagnoses.patient_key = time_zero.patient_key
    where coalesce({{ earliest_day('diagnoses.diagnosed_on') }} <= time_zero.infusion_date, true)
        and {{ has_study_prefix('diagnoses.code', 'cohort.excluded_diagnosis_prefixes') }}
)

select
    patients.patient_key,
    {% if is_criterion_applied('no_excluded_diagnosis') -%} excluded.patient_key is null {%- else -%} true {%- endif %} as is_met
from {{ ref('stg_emr__patients') }} as patients
left join excluded on patients.patient_key = excluded.patient_key
