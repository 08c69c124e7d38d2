-- Extramedullary disease at an assessment: per site the nearest finding within 7 days (of two equally near, "present");
-- present at any site is disease. One row per patient and assessment day that has one. Source: study contract, CR.
-- The least of a struct, in the order of its fields, instead of row_number: a third of the cost, and no sort to spill.
{{ config(pre_hook="{{ joins_as_written() }}", post_hook="{{ joins_by_estimate() }}") }}

with files as (
    {{ numbered_files([ref('stg_emr__extramedullary_assessments')]) }}
),

nearest_per_site as (
    select
        assessments.patient_key,
        assessments.assessed_on,
        findings.site,
        min(struct_pack(
            days_off := abs({{ days_between('findings.assessed_on', 'assessments.assessed_on') }}),
            absent_order := findings.finding <> 'present',
            file_number := files.file_number,
            source_row := findings.source_row
        )) as chosen
    from {{ ref('int_response_assessment_dates') }} as assessments
    inner join {{ ref('stg_emr__extramedullary_assessments') }} as findings
        on assessments.patient_key = findings.patient_key
    inner join files on {{ of_file('findings') }}
    where
        findings.finding is not null
        and abs({{ days_between('findings.assessed_on', 'assessments.assessed_on') }}) <= {{ rule_constant('near_days') }}
    group by assessments.patient_key, assessments.assessed_on, findings.site
),

sites_together as (
    select
        patient_key,
        assessed_on,
        bool_or(not chosen.absent_order) as extramedullary_disease,
        list(struct_pack(file_number := chosen.file_number, source_row := chosen.source_row)) as evidence
    from nearest_per_site
    group by patient_key, assessed_on
)

select
    sites_together.patient_key,
    sites_together.assessed_on,
    sites_together.extramedullary_disease,
    {{ named_evidence('list_sort(sites_together.evidence)') }} as evidence
from sites_together
cross join ({{ list_of_files() }}) as named_files
