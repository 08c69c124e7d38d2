-- The three parts of a complete remission side by side at each assessment. A part about which the feeds say nothing
-- within 7 days counts as met, and `*_assumed` says so. `leukemia_free`: marrow blasts below the study's percentage, no
-- circulating blasts, no extramedullary disease. One row per patient and assessment day. Source: study contract, CR.

select
    assessments.patient_key,
    assessments.assessed_on,
    assessments.study_day,
    assessments.date_precision,
    marrow.marrow_blast_percent,
    blood.circulating_blast_percent,
    blood.circulating_blasts,
    extramedullary.extramedullary_disease,
    mrd.mrd_status,
    marrow.patient_key is null as marrow_assumed,
    blood.patient_key is null as blood_assumed,
    extramedullary.patient_key is null as extramedullary_assumed,
    coalesce(marrow.marrow_blast_percent < {{ study('response.marrow_blasts_below_percent') }}, true)
    and not coalesce(blood.circulating_blasts, false)
    and not coalesce(extramedullary.extramedullary_disease, false) as leukemia_free,
    {{ merge_evidence(['assessments.evidence', 'marrow.evidence', 'blood.evidence', 'extramedullary.evidence']) }} as evidence,
    mrd.evidence as mrd_evidence
from {{ ref('int_response_assessment_dates') }} as assessments
left join {{ ref('int_assessment_marrow') }} as marrow
    on assessments.patient_key = marrow.patient_key and assessments.assessed_on = marrow.assessed_on
left join {{ ref('int_assessment_blood') }} as blood
    on assessments.patient_key = blood.patient_key and assessments.assessed_on = blood.assessed_on
left join {{ ref('int_assessment_extramedullary') }} as extramedullary
    on assessments.patient_key = extramedullary.patient_key and assessments.assessed_on = extramedullary.assessed_on
left join {{ ref('int_assessment_mrd') }} as mrd
    on assessments.patient_key = mrd.patient_key and assessments.assessed_on = mrd.assessed_on
