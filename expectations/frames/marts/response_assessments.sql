-- Response assessments: their findings, and MRD called negative while remission was still to come.
-- One row per study day, marrow finding and flag; `rows` counts assessments.
with first_remission as (
    select
        patient_key,
        min(study_day) as study_day
    from marts.response_assessments
    where complete_remission
    group by patient_key
)

select
    assessments.study_day,
    assessments.marrow_blast_percent,
    cast(
        assessments.mrd_status = 'negative' and assessments.study_day < first_remission.study_day as integer
    ) as mrd_negative_before_remission,
    count(*) as rows
from marts.response_assessments as assessments
left join first_remission on assessments.patient_key = first_remission.patient_key
group by all
order by all
