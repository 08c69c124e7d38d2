-- First complete remission: under the study's rule set, the first assessment in complete remission within the response
-- window. One row per patient who reached it. Source: study contract, CR.

select patient_key, assessed_on as complete_remission_date, study_day, date_precision, evidence
from {{ ref('int_response_by_rule') }}
where
    rule_set = '{{ study('rules.response') }}'
    and complete_remission
    and study_day <= {{ study('response.window_days') }}
qualify row_number() over (partition by patient_key order by assessed_on) = 1
