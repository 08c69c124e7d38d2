-- Response at each assessment under each rule set (int_response_verdicts), with its rank, whether it counts as complete
-- remission (seed response_categories) and the rows that show it; for ELN the blood counts too.
-- One row per patient, assessment day, rule set.

select
    verdicts.patient_key,
    verdicts.assessed_on,
    findings.study_day,
    findings.date_precision,
    verdicts.rule_set,
    verdicts.response,
    categories.rank as response_rank,
    categories.counts_as_complete_remission as complete_remission,
    case
        when verdicts.rule_set = 'eln' then {{ merge_evidence(['findings.evidence', 'counts.evidence']) }}
        else findings.evidence
    end as evidence
from {{ ref('int_response_verdicts') }} as verdicts
inner join {{ ref('response_categories') }} as categories
    on verdicts.rule_set = categories.rule_set and verdicts.response = categories.response
inner join {{ ref('int_response_findings') }} as findings
    on verdicts.patient_key = findings.patient_key and verdicts.assessed_on = findings.assessed_on
left join {{ ref('int_assessment_counts') }} as counts
    on
        verdicts.rule_set = 'eln'
        and verdicts.patient_key = counts.patient_key
        and verdicts.assessed_on = counts.assessed_on
