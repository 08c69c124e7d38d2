-- Haematologic toxicity: the worst CTCAE grade (study's version) of leukocytes, neutrophils, platelets and haemoglobin
-- after the infusion, with the values that reached it. 0 where all are in their limits.
-- One row per patient with such a value. Source: paper, haematologic toxicity.

with blood_counts as (
    select
        patient_key,
        worst_grade,
        worst_day,
        evidence,
        max(worst_grade) over (partition by patient_key) as worst_of_all
    from {{ ref('int_lab_toxicity') }}
    where
        chosen
        and analyte in ('leukocytes', 'neutrophils', 'platelets', 'haemoglobin')
)

select
    patient_key,
    worst_grade,
    min(worst_day) as first_study_day,
    list_sort(flatten(list(evidence))) as evidence
from blood_counts
where worst_grade = worst_of_all
group by patient_key, worst_grade
