-- Marrow blasts at an assessment: that day's sample, else the nearest within 7 days; of two equally near, the worse.
-- One row per patient and assessment day that has such a sample. Source: study contract, CR.
-- The least of a struct, in the order of its fields, instead of row_number: a third of the cost, and no sort to spill.

with nearest as (
    select
        assessments.patient_key,
        assessments.assessed_on,
        min(struct_pack(
            days_off := abs({{ days_between('marrow.sampled_on', 'assessments.assessed_on') }}),
            percent_order := -marrow.blast_percent,
            source_extract := marrow.source_extract,
            source_file := marrow.source_file,
            source_row := marrow.source_row,
            source_feed := marrow.source_feed,
            sampled_on := marrow.sampled_on,
            blast_percent := marrow.blast_percent
        )) as chosen
    from {{ ref('int_response_assessment_dates') }} as assessments
    inner join {{ ref('stg_emr__marrow_assessments') }} as marrow on assessments.patient_key = marrow.patient_key
    where
        marrow.blast_percent is not null
        and abs({{ days_between('marrow.sampled_on', 'assessments.assessed_on') }}) <= {{ rule_constant('near_days') }}
    group by assessments.patient_key, assessments.assessed_on
)

select
    nearest.patient_key,
    nearest.assessed_on,
    nearest.chosen.sampled_on,
    nearest.chosen.blast_percent as marrow_blast_percent,
    {{ evidence_list('nearest.chosen.') }} as evidence
from nearest
