-- Organ toxicity during a CRS episode, from liver values: the worst CTCAE grade of transaminases and of bilirubin on its
-- days, counted where worse than the baseline grade. One row per patient with such a grade. Source: Lee 2014.

with values_in_episode as (
    select
        labs.patient_key,
        labs.analyte,
        max(bounds.grade) as grade,
        arg_max({{ evidence_struct('labs.') }}, (labs.value, {{ source_order('labs.') }})) as evidence
    from {{ ref('int_graded_labs') }} as labs
    inner join {{ ref('int_crs_episodes') }} as episodes on labs.patient_key = episodes.patient_key
    inner join {{ ref('stg_emr__patients') }} as patients on labs.patient_key = patients.patient_key
    inner join {{ ref('int_lab_bounds') }} as bounds
        on
            labs.analyte = bounds.analyte
            and bounds.direction = 'above'
            and bounds.chosen
            and coalesce(patients.sex, 'unknown') = bounds.sex
            and {{ is_above('labs.value', 'labs.comparator', 'bounds.bound') }}
    where labs.collected_on >= episodes.onset_on and labs.collected_on <= episodes.last_day_on
    group by labs.patient_key, labs.analyte
),

emergent as (
    select found.*
    from values_in_episode as found
    left join {{ ref('int_lab_toxicity') }} as toxicity
        on
            found.patient_key = toxicity.patient_key
            and found.analyte = toxicity.analyte
            and toxicity.chosen
    where found.grade > toxicity.baseline_grade or toxicity.baseline_grade is null
)

select
    patient_key,
    max(grade) filter (where analyte in ('alt', 'ast')) as transaminase_grade,
    max(grade) filter (where analyte not in ('alt', 'ast')) as other_grade,
    list_sort(list(evidence)) as evidence
from emergent
group by patient_key
