-- Treatment failure: assessed, but no complete remission within the response window. Dated at the first assessment on or
-- after the study's failure day, else at the last before it. A patient who was never assessed has none.
-- One row per patient with treatment failure. Source: study contract.

select
    findings.patient_key,
    findings.assessed_on as failure_date,
    findings.study_day,
    findings.date_precision,
    findings.evidence
from {{ ref('int_response_findings') }} as findings
where findings.patient_key not in (select reached.patient_key from {{ ref('int_first_complete_remission') }} as reached)
qualify row_number() over (
    partition by findings.patient_key
    order by
        findings.study_day < {{ study('response.treatment_failure_day') }},
        abs(findings.study_day - {{ study('response.treatment_failure_day') }})
) = 1
