-- MRD status at an assessment: the nearest day within 7 days that has a result; negative where any result of that day
-- counts as MRD negative, else positive where any is. Of two equally near days, the worse.
-- One row per patient and assessment day that has one. Source: study contract.

-- Evidence joins the chosen day: carried through the choice it would cost many times the memory.

with days as (
    select
        patient_key,
        sampled_on,
        case
            when bool_or(counts_as_negative) then 'negative'
            when bool_or(status = 'positive') then 'positive'
        end as mrd_status
    from {{ ref('int_mrd_findings') }}
    group by patient_key, sampled_on
),

nearest as (
    select
        assessments.patient_key,
        assessments.assessed_on,
        min(struct_pack(
            days_off := abs({{ days_between('days.sampled_on', 'assessments.assessed_on') }}),
            negative_order := days.mrd_status = 'negative',
            sampled_on := days.sampled_on
        )) as chosen
    from {{ ref('int_response_assessment_dates') }} as assessments
    inner join days on assessments.patient_key = days.patient_key
    where
        days.mrd_status is not null
        and abs({{ days_between('days.sampled_on', 'assessments.assessed_on') }}) <= {{ rule_constant('near_days') }}
    group by assessments.patient_key, assessments.assessed_on
),

files as (
    {{ numbered_files([ref('int_mrd_findings')]) }}
),

results_together as (
    select
        nearest.patient_key,
        nearest.assessed_on,
        any_value(nearest.chosen.negative_order) as negative,
        list(struct_pack(file_number := files.file_number, source_row := findings.source_row)) as evidence
    from nearest
    inner join {{ ref('int_mrd_findings') }} as findings
        on nearest.patient_key = findings.patient_key and nearest.chosen.sampled_on = findings.sampled_on
    inner join files on {{ of_file('findings') }}
    group by nearest.patient_key, nearest.assessed_on
)

select
    results_together.patient_key,
    results_together.assessed_on,
    case when results_together.negative then 'negative' else 'positive' end as mrd_status,
    {{ named_evidence('list_sort(results_together.evidence)') }} as evidence
from results_together
cross join ({{ list_of_files() }}) as named_files
