-- Eligible: a diagnosis with one of the study's code prefixes whose immunophenotype contains the study's (CD19+), made up
-- to the infusion; where the patient has no infusion, or the diagnosis no date, at any time.
-- A prefix list or immunophenotype that the study file leaves empty is not applied; with both empty everybody is eligible.
-- One row per patient known.
{%- set phenotype = study('cohort.immunophenotype') %}

with fitting as (
    select distinct diagnoses.patient_key
    from {{ ref('stg_emr__diagnoses') }} as diagnoses
    left join {{ ref('int_time_zero') }} as time_zero on diagnoses.patient_key = time_zero.patient_key
    where coalesce({{ earliest_day('diagnoses.diagnosed_on') }} <= time_zero.infusion_date, true)
        and {{ has_study_prefix('diagnoses.code', 'cohort.diagnosis_prefixes') }}
        {%- if phenotype %}
        and contains(replace(upper(diagnoses.immunophenotype), ' ', ''), {{ sql_text(phenotype | upper | replace(' ', '')) }})
        {%- endif %}
)

select
    patients.patient_key,
    {% if is_criterion_applied('diagnosis') -%} fitting.patient_key is not null {%- else -%} true {%- endif %} as is_met
from {{ ref('stg_emr__patients') }} as patients
left join fitting on patients.patient_key = fitting.patient_key
