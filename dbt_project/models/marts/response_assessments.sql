-- Response at each assessment after the infusion under the study's rule set, with the findings that decided it. A part
-- that was assumed because no feed speaks of it within 7 days is flagged. One row per patient and assessment date.

with findings as (
    select
        *,
        {{ each_row_once('mrd_evidence') }} as mrd_rows
    from {{ ref('int_response_findings') }}
)

select
    findings.patient_key,
    findings.assessed_on,
    cast(findings.study_day as integer) as study_day,
    findings.marrow_blast_percent,
    findings.circulating_blasts,
    findings.circulating_blast_percent,
    findings.extramedullary_disease,
    by_rule.complete_remission,
    findings.mrd_status,
    by_rule.response,
    by_rule.rule_set,
    findings.study_day <= {{ study('response.window_days') }} as within_window,
    findings.marrow_assumed,
    findings.blood_assumed,
    findings.extramedullary_assumed,
    {{ merge_sorted_evidence('by_rule.evidence', 'findings.mrd_rows') }} as evidence
from findings
inner join {{ ref('int_response_by_rule') }} as by_rule
    on
        findings.patient_key = by_rule.patient_key
        and findings.assessed_on = by_rule.assessed_on
        and by_rule.rule_set = '{{ study('rules.response') }}'
order by findings.patient_key, findings.assessed_on
