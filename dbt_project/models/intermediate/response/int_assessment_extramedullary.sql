-- Extramedullary disease at an assessment: per site the nearest finding within 7 days (of two equally near, "present");
-- present at any site is disease. One row per patient and assessment day that has one. Source: study contract, CR.
-- The least of a struct, in the order of its fields, instead of row_number: a third of the cost, and no sort to spill.

with nearest_per_site as (
    select
        assessments.patient_key,
        assessments.assessed_on,
        findings.site,
        min(struct_pack(
            days_off := abs({{ days_between('findings.assessed_on', 'assessments.assessed_on') }}),
            absent_order := findings.finding <> 'present',
            source_extract := findings.source_extract,
            source_file := findings.source_file,
            source_row := findings.source_row,
            source_feed := findings.source_feed
        )) as chosen
    from {{ ref('int_response_assessment_dates') }} as assessments
    inner join {{ ref('stg_emr__extramedullary_assessments') }} as findings
        on assessments.patient_key = findings.patient_key
    where
        findings.finding is not null
        and abs({{ days_between('findings.assessed_on', 'assessments.assessed_on') }}) <= {{ rule_constant('near_days') }}
    group by assessments.patient_key, assessments.assessed_on, findings.site
)

select
    nearest_per_site.patient_key,
    nearest_per_site.assessed_on,
    bool_or(not nearest_per_site.chosen.absent_order) as extramedullary_disease,
    list_sort(list({{ evidence_struct('nearest_per_site.chosen.') }})) as evidence
from nearest_per_site
group by nearest_per_site.patient_key, nearest_per_site.assessed_on
