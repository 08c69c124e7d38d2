-- Treatment failure: assessed, but no complete remission within the response window. Dated at the first assessment on or
-- after the study's failure day, else at the last before it. A patient who was never assessed has none.
-- One row per patient with treatment failure. Source: study contract.

with failure_dates as (
    select
        patient_key,
        coalesce(
            min(assessed_on) filter (where study_day >= {{ study('response.treatment_failure_day') }}),
            max(assessed_on)
        ) as failure_date
    from {{ ref('int_response_findings') }}
    where patient_key not in (select reached.patient_key from {{ ref('int_first_complete_remission') }} as reached)
    group by patient_key
)

select
    findings.patient_key,
    findings.assessed_on as failure_date,
    findings.study_day,
    findings.date_precision,
    findings.evidence
from {{ ref('int_response_findings') }} as findings
inner join failure_dates
    on findings.patient_key = failure_dates.patient_key and findings.assessed_on = failure_dates.failure_date
