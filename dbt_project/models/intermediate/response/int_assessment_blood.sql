-- Circulating blasts at an assessment: the nearest blood count of blasts within 7 days; of two equally near, the worse.
-- One row per patient and assessment day that has one. Source: study contract, CR.
-- The least of a struct, in the order of its fields, instead of row_number: a third of the cost, and no sort to spill.

with nearest as (
    select
        assessments.patient_key,
        assessments.assessed_on,
        min(struct_pack(
            days_off := abs({{ days_between('blasts.collected_on', 'assessments.assessed_on') }}),
            absent_order := not blasts.blasts_present,
            percent_order := -blasts.blast_percent,
            source_extract := blasts.source_extract,
            source_file := blasts.source_file,
            source_row := blasts.source_row,
            source_feed := blasts.source_feed,
            blast_percent := blasts.blast_percent
        )) as chosen
    from {{ ref('int_response_assessment_dates') }} as assessments
    inner join {{ ref('int_circulating_blasts') }} as blasts on assessments.patient_key = blasts.patient_key
    where abs({{ days_between('blasts.collected_on', 'assessments.assessed_on') }}) <= {{ rule_constant('near_days') }}
    group by assessments.patient_key, assessments.assessed_on
)

select
    nearest.patient_key,
    nearest.assessed_on,
    nearest.chosen.blast_percent as circulating_blast_percent,
    not nearest.chosen.absent_order as circulating_blasts,
    {{ evidence_list('nearest.chosen.') }} as evidence
from nearest
